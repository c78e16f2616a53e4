#!/usr/bin/env bash
# From nothing to a table: corpus, teacher, distillation, latent student, measurement.
#
#   bash examples/quickstart.sh [--corpus demo|multi30k] [OPTION ...]
#
# Installs everything into a virtual environment first (see install.sh: VQ_NAT_VENV,
# PYTHON, VQ_NAT_TORCH), then runs quickstart.py with the same options; --help lists
# them. Run it again after an interruption: what is finished is reused.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VQ_NAT_VENV:-$here/../.venv}

bash "$here/install.sh" "$venv"
exec "$venv/bin/python" "$here/quickstart.py" "$@"
