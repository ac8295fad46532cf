"""Have what was rendered read by the tools that will read it; say what is wrong."""

import importlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import yaml

from oddspipe.core.errors import UsageError
from oddspipe.core.infra.cache_check import acl_faults
from oddspipe.core.infra.custom import custom_faults
from oddspipe.core.infra.iam import iam_policies
from oddspipe.core.infra.linters import Result, linted, policies, reads
from oddspipe.core.infra.mirror_check import mirror_faults
from oddspipe.core.infra.queries import unknown

VERSIONS: Final = ("1.31", "1.33", "1.35")
"""Versions of Kubernetes whose schemas must take every object."""
IMAGE: Final = {"repository": "registry.example.com/oddspipe", "digest": f"sha256:{'a' * 64}"}
"""Stands for the image, which the deployment gives."""
HARMLESS: Final = 2
"""Helm's messages below this are advice."""


def verified(folder: Path) -> Iterator[Result]:
    """Yield the result of every check of a rendered environment."""
    objects: list[dict[str, Any]] = []
    for file in sorted(folder.glob("helm/values-*.yaml")):
        yield from _chart(folder, file, objects)
    for file in sorted(folder.glob("prometheus/*.rules.yaml")):
        yield _program("promtool", ["check", "rules"], file)
    for file in sorted(folder.glob("prometheus/*.test.yaml")):
        yield _program("promtool", ["test", "rules"], file)
    for file in sorted(folder.glob("alertmanager/*.yaml")):
        yield _program("amtool", ["check-config"], file)
    for file in sorted(folder.glob("grafana/*.json")):
        yield _guarded(f"promql {file.name}", "promql_parser", partial(_queries, file))
    yield _guarded("clickhouse tables", "chdb.session", partial(_tables, folder), "chdb")
    for file in sorted(folder.glob("redis/*.acl")):
        yield _users(file)
    mirrors = sorted(folder.glob("kafka/mirror/*.properties"))
    yield from (Result(f"mirror {one.name}", tuple(mirror_faults(folder, one))) for one in mirrors)
    for file in sorted(folder.rglob("*.sh")):
        yield _program("sh", ["-n"], file)
    yield from linted(folder)
    yield from _listed("parliament", "hcl2", partial(iam_policies, folder), "python-hcl2")
    others = list(_others(folder))
    yield from _against("base and Argo CD", others)
    with tempfile.TemporaryDirectory() as place:
        yield from policies(folder, [*objects, *others], Path(place))


def _program(name: str, words: list[str], file: Path) -> Result:
    """Have a program read a file."""
    return reads(name, [*words, str(file)], " ".join([name, *words, file.name]))


def _users(file: Path) -> Result:
    """Have a server of the cache load its users."""
    title = f"valkey-server --aclfile {file.name}"
    try:
        return Result(title, tuple(acl_faults(file)))
    except UsageError as error:
        return Result(title, skipped=str(error))


def _guarded(
    title: str, module: str, check: Callable[[Any], list[str]], package: str = ""
) -> Result:
    """Run a check with a library, if it is there."""
    try:
        loaded = importlib.import_module(module)
    except ImportError:
        wanted = package or module.replace("_", "-")
        return Result(title, skipped=f"{wanted} is not installed (pip install {wanted})")
    try:
        return Result(title, tuple(check(loaded)))
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is what it says of the file
        return Result(title, (f"{type(error).__name__}: {str(error)[:500]}",))


def _listed(
    title: str, module: str, check: Callable[[Any], Iterable[Result]], package: str
) -> Iterator[Result]:
    """Yield the results of checks with a library, if it is there."""
    found: list[Result] = []

    def listed(loaded: Any) -> list[str]:  # noqa: ANN401 - a library
        found.extend(check(loaded))
        return []

    whole = _guarded(title, module, listed, package)
    yield from found
    if whole.faults or whole.skipped:
        yield whole


def _others(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects that no chart makes."""
    for name in ("kubernetes", "argocd"):
        for file in sorted((folder / name).glob("*.yaml")):
            yield from (x for x in yaml.safe_load_all(file.read_text(encoding="utf-8")) if x)


def _against(title: str, objects: list[dict[str, Any]]) -> Iterator[Result]:
    """Hold objects against Kubernetes' schemas, and those of others that it does not know."""
    for version in VERSIONS:
        check = partial(_held, version, objects)
        yield _guarded(f"kubernetes {version} {title}", "kubernetes_validate", check)
    yield _guarded(f"custom resources {title}", "jsonschema", partial(custom_faults, objects))


def _chart(folder: Path, values: Path, kept: list[dict[str, Any]]) -> Iterator[Result]:
    """Lint the chart with a sport's values, render it, and hold objects against the schemas.

    What was rendered is added to `kept`.
    """
    sport = values.stem.removeprefix("values-")
    with tempfile.TemporaryDirectory() as place:
        try:
            content = {**yaml.safe_load(values.read_text(encoding="utf-8")), "image": IMAGE}
        except (yaml.YAMLError, TypeError) as error:
            yield Result(f"helm {sport}", (f"{values.name}: {error}",))
            return
        root = lay_down(folder, Path(place), content)
        yield _guarded(f"helm lint {sport}", "helm_python", partial(lint, root), _HELM)
        objects: list[dict[str, Any]] = []

        def template(module: Any) -> list[str]:  # noqa: ANN401 - a library
            objects.extend(render(root, sport, module))
            return [] if objects else ["nothing was rendered"]

        yield _guarded(f"helm template {sport}", "helm_python", template, _HELM)
        kept.extend(objects)
        if objects:
            yield from _against(sport, objects)


_HELM: Final = "helm-python-sdk"


def lay_down(folder: Path, place: Path, values: Mapping[str, Any]) -> Path:
    """Copy the chart of a rendered environment, with values of its own; return where it lies."""
    root = place / "oddspipe"
    shutil.copytree(folder / "helm" / "oddspipe", root, dirs_exist_ok=True)
    (root / "values.yaml").write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
    return root


def lint(root: Path, module: Any) -> list[str]:  # noqa: ANN401 - a library
    """Return what Helm finds wrong with a chart; `module` is `helm_python`."""
    found = module.lint(str(root), kube_version=f"{VERSIONS[-1]}.0")
    messages = [m["error"] for m in found["messages"] if m["severity"] >= HARMLESS]
    return [str(one) for one in (*found["errors"], *messages)]


def render(root: Path, sport: str, module: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - a library
    """Return the objects that Helm makes of a chart; `module` is `helm_python`."""
    with module.Chart.load(str(root)) as chart:
        made = chart.render({}, name=sport, namespace=f"odds-{sport}")
    return [one for text in made.values() for one in yaml.safe_load_all(text) if one]


def schema_faults(
    version: str,
    objects: Iterable[Mapping[str, Any]],
    module: Any,  # noqa: ANN401 - a library
) -> tuple[list[str], set[str]]:
    """Return all that Kubernetes' own strict schemas find, and the API groups they do not know.

    `module` is `kubernetes_validate`, which brings the schemas.
    """
    validator = importlib.import_module("jsonschema").Draft4Validator
    schemas = Path(module.__file__).parent / "kubernetes-json-schema"
    base = schemas / f"v{version}.0-local-strict"
    faults: list[str] = []
    unknown: set[str] = set()
    for one in objects:
        group, _, name = one["apiVersion"].rpartition("/")
        middle = f"{group.split('.')[0]}-{name}" if group else name
        file = base / f"{one['kind'].lower()}-{middle}.json"
        if not file.exists():
            unknown.add(group)
            continue
        schema = _local(json.loads(file.read_text()))
        faults += [
            f"{one['kind']} {one['metadata']['name']} {list(e.absolute_path)}: {e.message}"
            for e in validator(schema, registry=_definitions(base)).iter_errors(one)
        ]
    return faults, unknown


def _held(version: str, objects: list[dict[str, Any]], module: Any) -> list[str]:  # noqa: ANN401 - a library
    return schema_faults(version, objects, module)[0]


@cache
def _definitions(base: Path) -> Any:  # noqa: ANN401 - a library's
    """Return the registry of what the schemas of a version refer to."""
    referencing = importlib.import_module("referencing")
    draft4 = importlib.import_module("referencing.jsonschema").DRAFT4
    definitions = json.loads((base / "_definitions.json").read_text())
    resource = referencing.Resource(definitions, draft4)
    return referencing.Registry().with_resource("_definitions.json", resource)


def _local(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {k: v.replace("/api/", "") if k == "$ref" else _local(v) for k, v in value.items()}
    return [_local(one) for one in value] if isinstance(value, list) else value


def _queries(file: Path, _module: object) -> list[str]:
    return [fault for query in queries(file) for fault in unknown(query)]


def queries(file: Path) -> Iterator[str]:
    """Yield the PromQL of a dashboard, with a duration in place of Grafana's variable."""
    for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "1m")


def _tables(folder: Path, module: Any) -> list[str]:  # noqa: ANN401 - a library
    """Run the tables in an engine of its own; of access the engine only reads the words."""
    with tempfile.TemporaryDirectory() as place:
        session = module.Session(f"{place}/data")
        try:
            for file in sorted((folder / "clickhouse").glob("*.sql")):
                for one in statements(file):
                    session.query(to_read(one) if file.stem == "access" else one)
        finally:
            session.close()
    return []


def statements(file: Path) -> list[str]:
    """Return the SQL statements of a rendered file."""
    lines = file.read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("--"))
    return [one.strip() for one in text.split(";") if one.strip()]


def to_read(statement: str) -> str:
    """Return the query by which an engine parses a statement that it cannot run."""
    quoted = statement.replace("\\", "\\\\").replace("'", "\\'")
    return f"SELECT formatQuerySingleLine('{quoted}')"
