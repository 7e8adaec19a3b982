// The words of the boundary editor and of the comparison of two days, Chinese first.

export const zhEdit = {
  edit: {},
  compare: {},
};

export const enEdit: typeof zhEdit = {
  edit: {},
  compare: {},
};
