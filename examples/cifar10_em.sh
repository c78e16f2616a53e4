#!/usr/bin/env bash
# Hard and soft EM on images: trains all settings with all seeds, then writes the report.
#
#   bash examples/cifar10_em.sh [--data DIR] [OPTION ...]
#
# Without --data the official archive is downloaded first, to runs/cifar10. Installs
# everything into a virtual environment before (see install.sh: VQ_NAT_VENV, PYTHON,
# VQ_NAT_TORCH), then runs cifar10_em.py with the same options; --help lists them. Run
# it again after an interruption: it goes on where it stopped.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${VQ_NAT_VENV:-$here/../.venv}

bash "$here/install.sh" "$venv"
data=()
case " $* " in
    *" --data "*|*" --data="*|*" --report "*|*" -h "*|*" --help "*) ;;
    *)
        "$venv/bin/python" "$here/../data_prep/cifar10.py" --out "$here/../runs/cifar10"
        data=(--data "$here/../runs/cifar10/images")
        ;;
esac
exec "$venv/bin/python" "$here/cifar10_em.py" ${data[@]+"${data[@]}"} "$@"
