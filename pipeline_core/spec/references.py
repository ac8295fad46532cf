"""Values that come from outside: `{env: NAME, default: …}` and `{secret: path#key}`."""

import re
from collections.abc import Mapping

from oddspipe.core.problem import Path, Problem
from oddspipe.core.spec.builder import read_scalar
from oddspipe.core.spec.document import Faults, Node
from oddspipe.core.spec.fields import SecretRef

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def resolve(node: Node, path: Path, environ: Mapping[str, str], faults: Faults) -> None:
    """Put values in the place of references to environment variables and secrets."""
    if node.mapping is not None:
        keys = set(node.mapping)
        if "env" in keys and keys <= {"env", "default"}:
            if _from_environment(node, path, environ, faults):
                resolve(node, path, environ, faults)
            return
        if keys == {"secret"}:
            _secret(node, path, faults)
            return
        for key, below in node.mapping.items():
            resolve(below, (*path, key), environ, faults)
    for at, below in enumerate(node.entries or ()):
        resolve(below, (*path, at), environ, faults)


def _from_environment(node: Node, path: Path, environ: Mapping[str, str], faults: Faults) -> bool:
    """Take the value of a variable; return whether its default stands in, maybe a reference too."""
    mapping = node.mapping or {}
    name, default = mapping["env"], mapping.get("default")
    node.mapping = None
    if not isinstance(name.value, str) or not _ENV_NAME.fullmatch(name.value):
        problem = Problem(
            "ref.env",
            path,
            "the name of an environment variable is expected here",
            "write e.g. {env: REDIS_URL, default: ...}",
        )
        faults.append((problem, name.mark))
        node.broken = True
        return False
    node.origin = f"${name.value}"
    if name.value in environ:
        node.value = read_scalar(environ[name.value])
    elif default is not None:
        node.value, node.mapping, node.entries = default.value, default.mapping, default.entries
        node.origin = f"default of ${name.value}"
        return True
    else:
        problem = Problem(
            "ref.env-unset",
            path,
            f"the environment variable '{name.value}' is not set",
            f"set it, or write {{env: {name.value}, default: ...}}",
        )
        faults.append((problem, name.mark))
        node.broken = True
    return False


def _secret(node: Node, path: Path, faults: Faults) -> None:
    target = (node.mapping or {})["secret"]
    parts = target.value.split("#") if isinstance(target.value, str) else []
    node.mapping = None
    if len(parts) == 2 and all(parts):
        node.value = SecretRef(parts[0], parts[1])
        return
    problem = Problem(
        "ref.secret",
        path,
        "a secret is named by its path and its key",
        "write {secret: path#key}",
    )
    faults.append((problem, target.mark))
    node.broken = True
