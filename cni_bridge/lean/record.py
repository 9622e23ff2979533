"""Immutable records at no start-up cost.

Type checkers see a frozen, keyword-only dataclass; at run time the decorator adds five methods.
Nothing here may import: `dataclasses` costs twice the interpreter's own start.
"""

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import TypeVar, dataclass_transform

    T = TypeVar("T")

    @dataclass_transform(frozen_default=True, kw_only_default=True)
    def record(cls: type[T]) -> type[T]: ...

    def replace(item: T, **changes: object) -> T: ...

else:

    def record(cls):
        """Turn a class with annotated fields into an immutable value."""
        names = tuple(cls.__annotations__)
        defaults = {name: vars(cls)[name] for name in names if name in vars(cls)}

        def __setattr__(self, name, _value):
            raise AttributeError(f"{cls.__name__}.{name} is read-only")

        def __repr__(self):
            fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
            return f"{cls.__name__}({fields})"

        def __eq__(self, other):
            return type(self) is type(other) and self.__dict__ == other.__dict__

        def __hash__(self):
            return hash(tuple(map(self.__dict__.__getitem__, names)))

        for method in (_initializer(names, defaults), __setattr__, __repr__, __eq__, __hash__):
            setattr(cls, method.__name__, method)
        return cls

    def _initializer(names, defaults):
        """Return an `__init__` that names the fields: three times as fast as one for any fields."""
        parameters = (f"{name}=defaults[{name!r}]" if name in defaults else name for name in names)
        lines = [f"def __init__(self, *, {', '.join(parameters)}):", "fields = self.__dict__"]
        lines += (f"fields[{name!r}] = {name}" for name in names)
        space = {"defaults": defaults}
        exec("\n    ".join(lines), space)  # noqa: S102 - the names of a class's own fields
        return space["__init__"]

    def replace(item, **changes):
        """Return a copy of a record with some fields changed."""
        return type(item)(**{**item.__dict__, **changes})
