#!/usr/bin/env bash
# The runs that take days, at low priority. Killed at any moment, the same command goes on where it was.
#
#   Testing/benchmarks/long_runs.sh weights   STATE MINUTES   the default weights, for so long from where they are;
#                                                             FIRST_SEED=N: on phantoms that nobody has seen yet
#   Testing/benchmarks/long_runs.sh table1    STATE           every row for 30 minutes of a core, two seeds
#   Testing/benchmarks/long_runs.sh ablations STATE           the same of the ablations
#   Testing/benchmarks/long_runs.sh pair      STATE           end-to-end with and without noise, 150 minutes of a core
#
# STATE is a folder outside of the checkout. Finished runs of the tables are kept in runs/ beside this script, to be
# committed: another machine takes them as done, as long as their settings and the phantoms are the same.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
what=$1 state=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$here/../.."
export OMP_NUM_THREADS=1
train() { nice -n 10 python -m CarotidLandmarkLib train "$@"; }
benchmark() { nice -n 10 python -m CarotidLandmarkLib benchmark "$@"; }

if [ "$what" = weights ]; then
    # Label maps of 15 patients; the others are for testing only.
    left_out="0522c0331 0522c0727a 0522c0727b TCGA-CV-5977 TCGA-CV-7236"
    mkdir -p "$state/scaffold"
    for map in "${ANATOMY:-../shared/data/anatomy}"/*; do
        name=$(basename "$map")
        case " $left_out " in *" ${name%.nii.gz} "*) ;; *) ln -sf "$(realpath "$map")" "$state/scaffold/$name" ;; esac
    done
    start=()
    [ -f "$here/weights.safetensors" ] && start=(--start "$here/weights.safetensors")
    export OMP_NUM_THREADS=2
    train --out "$state/weights" --phantoms online --scaffold "$state/scaffold" "${start[@]}" --resume --validation 64 \
        --first-seed "${FIRST_SEED:-40000}" --epoch 500 --steps 1000000 --max-minutes "$3"
    python - "$state/weights/weights.safetensors" "$here/weights.safetensors" <<'END'  # half precision: a few MB
import sys

from safetensors import safe_open
from safetensors.torch import save_file
with safe_open(sys.argv[1], "pt") as file:
    save_file({name: file.get_tensor(name).half() for name in file.keys()}, sys.argv[2], file.metadata())
END
    exit
fi

keep() {  # finished runs, without their weights and checkpoints
    (cd "$state/$what/runs" && find . -name run.json -printf '%h\n') | while read -r run; do
        mkdir -p "$here/runs/$what/$run"
        cp -r "$state/$what/runs/$run/run.json" "$state/$what/runs/$run/scores" "$here/runs/$what/$run/"
    done
}
mkdir -p "$state/$what/runs"
[ -d "$here/runs/$what" ] && cp -rn "$here/runs/$what/." "$state/$what/runs/"
trap keep EXIT
case $what in
    table1 | ablations) benchmark "$what" --out "$state/$what" --seeds 2 --minutes-per-run 30 --parallel 2 ;;
    pair) benchmark table1 --rows end-to-end end-to-end-noise --out "$state/$what" --seeds 2 --minutes-per-run 150 --parallel 2 ;;
    *) echo "There is no long run $what." >&2; exit 2 ;;
esac
