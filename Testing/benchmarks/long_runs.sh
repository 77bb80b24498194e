#!/usr/bin/env bash
# The runs that take days, at low priority. Killed at any moment, the same command goes on where it was.
#
#   Testing/benchmarks/long_runs.sh weights   STATE MINUTES   the default weights: the nets of 2 and 1 mm, which find the
#                                                             level of the fork, for so long, the others for two thirds
#                                                             of it, two beside each other; then put together. With a
#                                                             GPU: BATCH=8, and as many WORKERS as there are cores
#   Testing/benchmarks/long_runs.sh calibrate STATE           ellipsoids and trust of weights.safetensors beside this script,
#                                                             or else of the default; pack_weights.py --default makes
#                                                             the default of the result
#   Testing/benchmarks/long_runs.sh measure   STATE [WEIGHTS] weights (or the default) on all test sets, and robustness
#   Testing/benchmarks/long_runs.sh transfer  STATE MINUTES   networks from scratch on each make of phantoms alone, for so
#                                                             many minutes of a core, measured on both makes
#   Testing/benchmarks/long_runs.sh table1    STATE           every row for 30 minutes of a core, two seeds
#   Testing/benchmarks/long_runs.sh ablations STATE           the same of the ablations, with a default of their own
#   Testing/benchmarks/long_runs.sh pair      STATE           end-to-end with and without noise, 150 minutes of a core
#
# STATE is a folder outside of the checkout. Finished runs of the tables are kept in runs/ beside this script, to be
# committed: another machine takes them as done, as long as their settings and the phantoms' code are the same. So the
# newest commit that a finished run names is checked out to STATE/source for those to come, LEAST at the least. Others
# there may differ from it in nothing but the files of methods that are run again, and in how runs are told. Where a core
# is slower than those of the runs that are there, PACE=0.5 or the like gives the runs as much longer.
set -euo pipefail
LEAST=11e61ec  # in which the row `heatmap` learns, on processors without AVX-512 as well, which knows --pace and is quick there
here=$(cd "$(dirname "$0")" && pwd)
what=$1 state=$(mkdir -p "$2" && cd "$2" && pwd)
cd "$here/../.."
export OMP_NUM_THREADS=1
newest=$here/weights.safetensors  # a state of training on the way to the next default, if there is one
[ -f "$newest" ] || newest=CarotidLandmarkLib/weights/default.safetensors
end() { pkill -P "$1" || true; kill "$1" 2> /dev/null || true; }  # a run in the background, and what it has started
train() { nice -n 10 python -m CarotidLandmarkLib train "$@"; }
benchmark() { nice -n 10 python -m CarotidLandmarkLib benchmark "$@"; }

if [ "$what" = weights ] || [ "$what" = transfer ]; then
    # Label maps of 15 patients; the others are for testing only.
    left_out="0522c0331 0522c0727a 0522c0727b TCGA-CV-5977 TCGA-CV-7236"
    mkdir -p "$state/scaffold"
    for map in "${ANATOMY:-../shared/data/anatomy}"/*; do
        name=$(basename "$map")
        case " $left_out " in *" ${name%.nii.gz} "*) ;; *) ln -sf "$(realpath "$map")" "$state/scaffold/$name" ;; esac
    done
fi

if [ "$what" = weights ]; then
    phantoms=(--phantoms "${PHANTOMS:-2500}" --first-seed 40000 --scaffold "$state/scaffold" --cache "$state/cases")
    net() {  # one scale, on crops around the truth
        train --out "$state/weights/$1" --scales "$1" "${phantoms[@]}" --start "${START:-$newest}" --resume \
            --validation 64 --epoch 3000 --steps 1000000 --max-minutes "$2" --learning-rate 1e-3 --seed "${1/./}" \
            --batch "${BATCH:-1}" --workers "${WORKERS:-1}"
    }
    short=$(($3 * 2 / 3))
    (net 4 $short && net 1 "$3") > "$state/4-1.log" 2>&1 & one=$!
    (net 2 "$3" && net 0.5 $short) > "$state/2-0.5.log" 2>&1 & two=$!
    wait $one || { tail -n 3 "$state/4-1.log" >&2; end $two; exit 1; }
    wait $two || { tail -n 3 "$state/2-0.5.log" >&2; exit 1; }
    train --out "$(mktemp -d "$state/together.XXX")/default" "${phantoms[@]}" --steps 0 --validation 64 --workers 2 \
        --start "$state"/weights/{4,2,1,0.5}/weights.safetensors | tee "$state/together.log"
    python Testing/benchmarks/pack_weights.py "$(sed -n 's/^Weights: //p' "$state/together.log")" "$here/weights.safetensors"
    exit
fi

sets() { nice -n 10 python Testing/benchmarks/test_sets.py "$state/sets" --anatomy "${ANATOMY:-../shared/data/anatomy}" "$@"; }
engine() { nice -n 10 python -m CarotidLandmarkLib "$@"; }

if [ "$what" = calibrate ]; then
    sets calibration
    engine calibrate --data "$state/sets/calibration" --out "$state/calibrate" --weights "$newest" --parallel 2
    exit
fi

in_set() {  # WEIGHTS OUT SET NAME [OPTION...]: detect in the set, and evaluate as NAME
    local weights=$1 out=$2 set=$3 name=$4
    shift 4
    mkdir -p "$out/$name/detections"
    for volume in "$state/sets/$set"/*.nrrd; do
        [ -f "$out/$name/detections/$(basename "$volume" .nrrd).detection.json" ] || echo "$volume"
    done | xargs -r -n 20 nice -n 10 python -m CarotidLandmarkLib detect -o "$out/$name/detections" --weights "$weights" \
        --quiet "$@"
    engine evaluate --data "$state/sets/$set" --detections "$out/$name/detections" --weights "$weights" \
        --out "$out/$name" > "$out/$name.md"
}

if [ "$what" = measure ]; then
    weights=${3:-CarotidLandmarkLib/weights/default.safetensors}
    out=$state/measure/$(sha256sum "$weights" | cut -c1-8)
    sets test absent left-out robustness
    export OMP_NUM_THREADS=2
    for set in test absent left-out; do in_set "$weights" "$out" "$set" "$set"; done
    in_set "$weights" "$out" test test-no-fork --no-fork
    export OMP_NUM_THREADS=1
    benchmark robustness --data "$state/sets/robustness" --out "$out/robustness" --weights "$weights" --samples 16 --parallel 2
    exit
fi

if [ "$what" = transfer ]; then
    sets robustness left-out  # the first is of procedural phantoms, the second of scaffolded ones
    one_make() {  # NAME MINUTES [OPTION...]
        local run=$state/transfer/$1
        train --out "$run" --phantoms "${PHANTOMS:-300}" --first-seed 40000 --validation 24 --steps 1000000 --max-minutes "$2" --clock cpu \
            --resume "${@:3}" > "$run.log" 2>&1
        for set in robustness left-out; do in_set "$run/weights.safetensors" "$run" "$set" "on-$set"; done
    }
    mkdir -p "$state/transfer"
    one_make procedural "$3" & one=$!
    one_make scaffolded "$3" --scaffold "$state/scaffold" --scaffold-share 1 & two=$!
    wait $one || { end $two; exit 1; }
    wait $two
    exit
fi

keep() {  # finished runs, without their weights and checkpoints
    (cd "$state/$what/runs" && find . -name run.json -printf '%h\n') | while read -r run; do
        mkdir -p "$here/runs/$what/$run"
        cp -r "$state/$what/runs/$run/run.json" "$state/$what/runs/$run/scores" "$here/runs/$what/$run/"
    done
}
mkdir -p "$state/$what/runs" "$state/table1/cases"
[ "$what" = table1 ] || ln -sfn ../table1/cases "$state/$what/cases"
named=$(find "$here" -path "*/runs/*/run.json" -exec sed -n 's/.*"commit": "\(.*\)".*/\1/p' {} + | sort -u)
if [ -n "$named" ]; then
    commit=$(git rev-list --no-walk -n 1 $LEAST $named)
    [ -d "$state/source" ] || git worktree add --detach "$state/source" "$commit"
    cd "$state/source"
    git checkout -q --detach "$commit"
fi
[ -d "$here/runs/$what" ] && cp -rn "$here/runs/$what/." "$state/$what/runs/"
trap keep EXIT
table() { benchmark "$@" --out "$state/$what" --seeds 2 --parallel 2 --pace "${PACE:-1}"; }
case $what in
    table1 | ablations) table "$what" --minutes-per-run 30 ;;
    pair) table table1 --rows end-to-end end-to-end-noise --minutes-per-run 150 ;;
    *) echo "There is no long run $what." >&2; exit 2 ;;
esac
