# The habits of this project, one command each. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help demo test check audit format bench web lock clean runtime dev

bin := .venv/bin

# A recipe that runs until it is stopped ends in `exec`: then `make` passes a SIGTERM to the
# program itself and not to a shell around it, and says nothing of its own when Ctrl-C ends it.

help: ## List these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | \
	while IFS='|' read -r command meaning; do printf '%-14s %s\n' "$$command" "$$meaning"; done

demo: runtime ## Serve the demo district on http://127.0.0.1:8000 until Ctrl-C (PORT, GRIDMAP_DATA, DATABASE_URL)
	@scripts/web try
	@exec $(bin)/gridmap demo

# A file of tests is one process's, since most of them share a database or a server.
test: check ## Check, then run every test on all cores (ARGS="-k boundary" for some)
	@exec $(bin)/pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile $(ARGS)

check: dev ## Check format, lint, types and import rules
	@$(bin)/ruff format --check .
	@$(bin)/ruff check .
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo

# Each takes some minutes; all of them are in `make test` too, with few examples.
audit: dev ## Look for weak places for longer (GRIDMAP_FUZZ_EXAMPLES=200 of each field)
	@GRIDMAP_FUZZ_EXAMPLES=$${GRIDMAP_FUZZ_EXAMPLES:-200} exec $(bin)/pytest $(ARGS) \
		tests/api/test_audits.py tests/api/test_fuzzing.py tests/api/test_owasp.py

format: dev ## Format the code and mend what the linter can mend
	@$(bin)/ruff format .
	@$(bin)/ruff check --fix .

bench: dev ## Measure, on this machine
	@exec $(bin)/python -m bench $(ARGS)

web: ## Build the clients in the browser, /m (Node.js 20.19 or later)
	@scripts/web build

lock: dev ## Lock what pyproject.toml asks for (ARGS=--upgrade for the newest of all)
	@exec scripts/lock $(ARGS)

clean: ## Remove what these commands made here (the demo's data stays)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	@rm -rf web/node_modules web/*/node_modules gridmap/api/static/web
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime dev:
	@scripts/environment $@
