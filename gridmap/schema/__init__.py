"""What clients see: one module per noun, the roots that gather them, and how lists are paged."""
