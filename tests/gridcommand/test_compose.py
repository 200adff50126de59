"""compose.yaml and its company against what they rely on: settings, secrets, ports, versions."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from ruamel.yaml import YAML
from sqlalchemy import make_url
from typer.testing import CliRunner

from gridcommand.accounts import link_url
from gridcommand.configuration import OTHER_VARIABLES, PREFIX, load_settings, unknown_variables
from gridcommand.installation_commands import SecretsError
from gridcommand.main import app
from gridcommand.rehearsal.servers import ServerProgram
from models.settings import CHECKOUT, Settings

SERVICES = {"kafka", "postgres", "prepare", "worker", "console", "proxy"}
OURS = ("prepare", "worker", "console")
HANDED_IN = "/run/secrets/"


def substituted(text: str) -> str:
    """As Docker reads it where no variable is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loader = YAML(typ="safe", pure=True)
    loaded: dict[str, Any] = loader.load(substituted((CHECKOUT / "compose.yaml").read_text()))
    return loaded


@pytest.fixture
def secret_files(tmp_path: Path) -> Path:
    done = CliRunner().invoke(app, ["secrets", str(tmp_path / "secrets")])
    assert done.exception is None, done.output
    return tmp_path / "secrets"


@pytest.fixture
def settings_of(
    compose: dict[str, Any], secret_files: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Settings]:
    """The settings of a service, as it would compose them itself."""

    def settings(service: str) -> Settings:
        for name, value in compose["services"][service]["environment"].items():
            if name.startswith(PREFIX):
                monkeypatch.setenv(name, value.replace(HANDED_IN, f"{secret_files}/"))
        assert unknown_variables() == []
        return load_settings()

    return settings


def test_every_variable_is_a_setting(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == SERVICES
    known = {key.upper() for key in Settings.model_fields} | OTHER_VARIABLES
    named = {
        name.removeprefix(PREFIX)
        for service in compose["services"].values()
        for name in service.get("environment", {})
        if name.startswith(PREFIX)
    }
    assert len(named) > 5
    assert named <= known
    image = re.findall(r"GRIDCOMMAND_([A-Z_]+)=", (CHECKOUT / "Dockerfile").read_text())
    assert set(image) <= known


@pytest.mark.parametrize("service", OURS)
def test_settings_hold_together(
    compose: dict[str, Any], settings_of: Callable[[str], Settings], service: str,
    secret_files: Path,
) -> None:  # fmt: skip
    settings = settings_of(service)
    database = make_url(settings.database)
    postgres = compose["services"]["postgres"]["environment"]
    assert database.host == "postgres"
    assert database.username == postgres["POSTGRES_USER"]
    assert database.database == postgres["POSTGRES_DB"]
    password = secret_files / Path(postgres["POSTGRES_PASSWORD_FILE"]).name
    assert database.password == password.read_text()
    listeners = compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert listeners == f"PLAINTEXT://{settings.kafka_servers}"
    assert len(settings.metrics_token) > 20
    assert settings.city_path.is_dir()


def test_the_proxy_leads_to_where_the_console_listens(
    settings_of: Callable[[str], Settings],
) -> None:
    settings = settings_of("console")
    caddy = (CHECKOUT / "ops" / "Caddyfile").read_text()
    ports = re.findall(r"name console\s+port (\d+)", caddy)
    assert [int(port) for port in ports] == [settings.live, settings.web_port]
    assert settings.live_public_url == "wss://localhost/live"
    assert "@live path /live" in caddy
    assert settings.secure_cookies
    # Other containers reach it, and the link that a person gets leads to the proxy.
    assert settings.web_host == "0.0.0.0"
    assert link_url(settings, "t") == "https://localhost/s/t"


def test_each_says_when_it_is_well_and_waits_for_what_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name in SERVICES - {"prepare"}:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], name
    for name in ("worker", "console"):
        ready = services[name]["depends_on"]["prepare"]["condition"]
        assert ready == "service_completed_successfully"
        check = services[name]["healthcheck"]["test"][-1]
        environment = services[name]["environment"]
        key = "GRIDCOMMAND_METRICS_PORT" if name == "worker" else "GRIDCOMMAND_WEB_PORT"
        assert f":{environment[key]}/" in check


def test_a_workers_metrics_can_be_read_from_another_container(
    compose: dict[str, Any], settings_of: Callable[[str], Settings]
) -> None:
    settings = settings_of("worker")
    assert (settings.metrics_host, settings.metrics_port) == ("0.0.0.0", 9751)
    assert "ports" not in compose["services"]["worker"]
    assert Settings.model_fields["metrics_host"].default == "127.0.0.1"


def test_commands_exist(compose: dict[str, Any]) -> None:
    chain = compose["services"]["prepare"]["command"][0].split(" && ")
    lines = [line.removeprefix("gridcommand ").split() for line in chain]
    lines += [compose["services"][name]["command"] for name in ("worker", "console")]
    assert len(lines) == 4
    for line in lines:
        assert CliRunner().invoke(app, [*line, "--help"]).exit_code == 0, line


def test_versions_are_pinned_and_nobody_is_root(compose: dict[str, Any]) -> None:
    dockerfile = (CHECKOUT / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    images = [service["image"] for service in compose["services"].values()]
    assert len(bases) == 3
    for image in (*bases, *images):
        assert re.search(r":\d+\.\d+(\.\d+)?(-[a-z-]+)?$", image), image
    assert re.search(r"^USER gridcommand$", dockerfile, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    for name in OURS:
        assert compose["services"][name]["read_only"] is True
        assert compose["services"][name]["cap_drop"] == ["ALL"]
    version = re.search(r'^version = "(.+)"', (CHECKOUT / "pyproject.toml").read_text(), re.M)
    assert version
    assert compose["services"]["worker"]["image"] == f"gridcommand:{version[1]}"
    jars = (CHECKOUT / "tools" / "servers" / "pom.xml").read_text()
    assert f"<version>{compose['services']['kafka']['image'].split(':')[1]}</version>" in jars


def test_what_the_image_is_made_of_is_not_ignored() -> None:
    kept = {
        line[1:]
        for line in (CHECKOUT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+)$", (CHECKOUT / "Dockerfile").read_text(), re.M)
    sources = {name for line in copied for name in line.split()[:-1]}
    assert sources == kept
    for name in sources:
        assert (CHECKOUT / name).exists(), name


def test_no_secret_is_shipped(compose: dict[str, Any]) -> None:
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./secrets/")
    assert "/secrets/" in (CHECKOUT / ".gitignore").read_text().splitlines()
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name or "TOKEN" in name:
                assert value.startswith(HANDED_IN), name


def test_secrets_are_made_once_in_a_folder_of_ones_own(secret_files: Path) -> None:
    assert stat.S_IMODE(secret_files.stat().st_mode) == 0o700
    before = {one.name: one.read_text() for one in secret_files.iterdir()}
    again = CliRunner().invoke(app, ["secrets", str(secret_files)])
    assert isinstance(again.exception, SecretsError)
    assert {one.name: one.read_text() for one in secret_files.iterdir()} == before
    assert set(before) == {"postgres_password", "gridcommand.toml"}


@pytest.mark.servers
async def test_kafka_takes_these_properties(kafka_as_composed: ServerProgram) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_as_composed.address)
    await admin.start()
    try:
        assert len((await admin.describe_cluster())["brokers"]) == 1
    finally:
        await admin.close()


def test_migrate_makes_the_tables_and_may_be_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDCOMMAND_DATA_DIR", str(tmp_path))
    for _ in range(2):
        assert "of this version" in CliRunner().invoke(app, ["migrate"]).output
    assert "no journal yet" in CliRunner().invoke(app, ["journal", "verify"]).output
