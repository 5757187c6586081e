"""Experiment E2 (Table I): geometry learned on one data set, used on another, beside rivals."""
