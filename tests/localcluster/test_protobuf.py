"""The table of protobuf fields is what the Go types say."""

import json
import os
import shutil
import subprocess

import pytest

from tests.support.protobuf_fields import CONTROLPLANE, TABLE, table


def go_modules_are_there() -> bool:
    if shutil.which("go") is None:
        return False
    words = ["go", "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "k8s.io/api", "k8s.io/apimachinery"]
    environment = {**os.environ, "GOFLAGS": "", "GOPROXY": "off"}
    found = subprocess.run(words, cwd=CONTROLPLANE, env=environment, capture_output=True, text=True, check=False)
    return found.returncode == 0 and len(found.stdout.split()) == 2


def test_the_table_is_current() -> None:
    if not go_modules_are_there():
        pytest.skip("the Go types of Kubernetes are not in the module cache: run `make controlplane`")
    assert json.loads(TABLE.read_text()) == table()
