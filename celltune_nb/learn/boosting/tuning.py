"""The libraries' parameters that a model may be given.

A list of what is allowed, not of what is forbidden: parameters come from project folders too, and some of the
libraries' own name files to write or programs to call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import InputError

__all__ = ["ALLOWED", "checked"]

ALLOWED: dict[str, frozenset[str]] = {
    "xgboost": frozenset(
        [
            "alpha",
            "colsample_bylevel",
            "colsample_bynode",
            "colsample_bytree",
            "eta",
            "gamma",
            "grow_policy",
            "lambda",
            "learning_rate",
            "max_bin",
            "max_delta_step",
            "max_depth",
            "max_leaves",
            "min_child_weight",
            "min_split_loss",
            "num_parallel_tree",
            "reg_alpha",
            "reg_lambda",
            "sampling_method",
            "subsample",
            "tree_method",
        ]
    ),
    "catboost": frozenset(
        [
            "bagging_temperature",
            "bootstrap_type",
            "boosting_type",
            "border_count",
            "depth",
            "grow_policy",
            "l2_leaf_reg",
            "leaf_estimation_iterations",
            "leaf_estimation_method",
            "learning_rate",
            "max_leaves",
            "min_data_in_leaf",
            "model_shrink_rate",
            "one_hot_max_size",
            "random_strength",
            "rsm",
            "sampling_frequency",
            "score_function",
            "subsample",
        ]
    ),
    "lightgbm": frozenset(
        [
            "bagging_fraction",
            "bagging_freq",
            "extra_trees",
            "feature_fraction",
            "feature_fraction_bynode",
            "lambda_l1",
            "lambda_l2",
            "learning_rate",
            "linear_lambda",
            "max_bin",
            "max_delta_step",
            "max_depth",
            "min_child_samples",
            "min_data_in_leaf",
            "min_gain_to_split",
            "min_sum_hessian_in_leaf",
            "num_leaves",
            "path_smooth",
        ]
    ),
}


def checked(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as plain numbers and words.

    Raises
    ------
    InputError
        For one that is not in :data:`ALLOWED`, or not a number or a word.
    """
    plain: dict[str, Any] = {}
    for name, given in dict(params).items():
        if name not in ALLOWED[kind]:
            raise InputError(
                f"{kind} is not given {name!r} here. Parameters: {', '.join(sorted(ALLOWED[kind]))}."
            )
        value = given.item() if hasattr(given, "item") else given
        if not isinstance(value, bool | int | float | str):
            raise InputError(f"{name}={given!r} of {kind} is neither a number nor a word. Give one.")
        plain[name] = value
    return plain
