"""The files for a container name what is there."""

import re

import yaml
from launching import ROOT

DOCKER = ROOT / "docker"


def instructions(name: str) -> list[str]:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    return re.findall(rf"^{name} (.+)$", text, re.MULTILINE)


def test_what_is_copied_and_installed_is_there_and_pinned():
    for copied in instructions("COPY"):
        *sources, _ = copied.split()
        assert all((ROOT / source).exists() for source in sources), copied
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    ((packages,),) = (re.findall(r"-c constraints.txt (.+)$", run) for run in instructions("RUN") if "-c " in run)
    assert {*packages.split()} <= pinned


def test_the_service_is_no_root_and_is_where_the_others_look_for_it():
    (user,) = instructions("USER")
    assert int(user) > 0
    (port,) = instructions("EXPOSE")
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    service = compose["classify"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKER / "Dockerfile"
    assert [volume.split(":")[0] for volume in compose["prometheus"]["volumes"]] == ["./prometheus.yml", "figures"]
    (job,) = yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"classify:{port}"]}]
