"""Write the argument names of the AWS provider for the resources that the modules use.

`pip download --no-deps cdktn-provider-aws`, then `python tests/aws/make_schema.py WHEEL`: the
package is made from the provider's own schema; nothing of it is installed or run.
"""

import ast
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "templates/infra/terraform/modules"
META = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def used() -> dict[str, set[str]]:
    """Return the types of resources, data and ephemeral values that the modules name."""
    found: dict[str, set[str]] = {"resource": set(), "data": set(), "ephemeral": set()}
    for file in sorted(MODULES.glob("*/*.tf")):
        for kind, name in re.findall(
            r'^(resource|data|ephemeral) "(aws_\w+)"', file.read_text(), re.MULTILINE
        ):
            found[kind].add(name)
    return found


def blocks(tree: ast.Module) -> dict[str, dict[str, Any]]:
    """Return the arguments of each class: name -> (required, class of a nested block or empty)."""
    made: dict[str, dict[str, Any]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for one in node.body:
            if isinstance(one, ast.FunctionDef) and one.name == "__init__":
                made[node.name] = {
                    arg.arg.rstrip("_"): (
                        default is None,
                        nested_name(arg.annotation),
                    )
                    for arg, default in zip(one.args.kwonlyargs, one.args.kw_defaults, strict=True)
                    if arg.arg not in META
                }
    return made


def top_of(tree: ast.Module) -> str:
    """Return the class of the resource itself: the only one of Terraform's own kinds."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            ".Terraform" in ast.unparse(b) for b in node.bases
        ):
            return node.name
    raise LookupError("no resource in it")


def nested_name(annotation: ast.expr | None) -> str:
    """Return the class of a nested block that an argument takes; empty for a plain value."""
    for part in re.findall(r"[\"'](\w+)[\"']", ast.unparse(annotation) if annotation else ""):
        return str(part)
    return ""


def tree_of(classes: dict[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """Return the arguments of a class with those of its blocks."""
    return {
        arg: {
            "required": required,
            **({"block": tree_of(classes, nested)} if nested in classes else {}),
        }
        for arg, (required, nested) in sorted(classes[name].items())
    }


def main() -> None:
    """Write the file."""
    made: dict[str, Any] = {}
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        package = next(n for n in wheel.namelist() if n.endswith("/__init__.py")).split("/")[0]
        version = ""
        for kind, names in used().items():
            for name in sorted(names):
                short = name.removeprefix("aws_")
                folder = {
                    "resource": short,
                    "data": f"data_aws_{short}",
                    "ephemeral": f"ephemeral_aws_{short}",
                }[kind]
                path = f"{package}/{folder}/__init__.py"
                if path not in wheel.namelist():
                    sys.stderr.write(f"not in the package: {kind} {name}\n")
                    continue
                text = wheel.read(path).decode()
                version = re.search(r"hashicorp/aws/([\d.]+)/docs", text)[1]  # type: ignore[index]
                tree = ast.parse(text)
                classes = blocks(tree)
                made[f"{kind} {name}"] = tree_of(classes, top_of(tree))
    document = {"provider": f"hashicorp/aws {version}", "blocks": made}
    (ROOT / "tests/aws").mkdir(exist_ok=True)
    (ROOT / "tests/aws/schema.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
