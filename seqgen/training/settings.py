"""Conversion of `name=value` settings to model arguments and a configuration; errors list the valid names."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

Config = TypeVar("Config")


def split_settings(
    settings: dict[str, Any], model_defaults: dict[str, Any], config_class: type[Config]
) -> tuple[dict[str, Any], Config]:
    """Return the model arguments (completed with defaults) and the training configuration that `settings` describe.

    Strings, as from the command line, are converted to the type of the default.

    Raises:
        ValueError: if a name is unknown or a value has the wrong type; the message lists the settings.
    """
    defaults = {f.name: f.default for f in fields(config_class) if f.default is not MISSING}  # type: ignore[arg-type]
    model, training = dict(model_defaults), {}
    for name, value in settings.items():
        if name in model_defaults:
            model[name] = _converted(name, value, model_defaults[name])
        elif name in defaults:
            training[name] = _converted(name, value, defaults[name])
        else:
            known = ", ".join([*model_defaults, *defaults]) or "none here"
            raise ValueError(f"unknown setting {name!r}; there are {known}")
    return model, config_class(**training)


def _converted(name: str, value: Any, default: Any) -> Any:
    if not isinstance(value, str) or isinstance(default, str):
        return value
    if isinstance(default, bool):
        if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError(f"{name} must be true or false, got {value!r}")
        return value.lower() in ("true", "1", "yes")
    kind = type(default)
    try:
        return kind(value)
    except ValueError:
        raise ValueError(
            f"{name} must be {'an integer' if kind is int else 'a number'}, got {value!r}"
        ) from None
