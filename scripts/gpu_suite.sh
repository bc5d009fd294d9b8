#!/usr/bin/env bash
# What wants a GPU, in pieces of minutes, on a machine with a GPU and without a network.
#
#   scripts/gpu_suite.sh tests [OPTION...]             the tests marked gpu, with pytest's options
#   scripts/gpu_suite.sh bench [OPTION...]             benchmarks.gpu, with its options
#   scripts/gpu_suite.sh NAME [OVERRIDE...]            one of the experiments' parts:
#       table2 fig4 table1 risotto1 risotto2 precision fig3_right
#   scripts/gpu_suite.sh cpu EXPERIMENT...             laptop forms of experiments on the cores, one after another
#   scripts/gpu_suite.sh pack                          $OUT/runs.tar.gz: what the runs left, without checkpoints
#
# A piece ends after LIMIT seconds: its runs save themselves, and the same command goes on. `cpu` and the
# experiments' parts say `all done` when nothing is left.
#
#   WORK     folder for everything that is made; default /tmp/initlab
#   WHEELS   folder of wheels that the machine's Python lacks; none if unset
#   PACKED   folder with `unpack.py` and packed MNIST and CIFAR-10; none if unset: data lie in $WORK/data
#   SETS     of them, those to unpack; default "mnist cifar10"
#   BUNDLE   what `git clone` takes: the code is run from a clone of it, so that results can name their commit;
#            without it from this checkout, which names one where it is a git repository
#   OUT      folder for what is to be taken away; default $WORK/out
#   LIMIT    seconds; default 520
#   PYTHON   default python3
set -uo pipefail

WORK=${WORK:-/tmp/initlab} LIMIT=${LIMIT:-520} PYTHON=${PYTHON:-python3} SETS=${SETS:-mnist cifar10}
OUT=${OUT:-$WORK/out}
mkdir -p "$WORK" "$OUT"
cores=$(env -u OMP_NUM_THREADS nproc)  # those that this process may use

prepare() {
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    if [ -n "${BUNDLE:-}" ]; then
        root=$WORK/repo
        [ -d "$root" ] || git clone --quiet "$BUNDLE" "$root" || exit
    fi
    if [ -n "${WHEELS:-}" ] && [ ! -d "$WORK/site" ]; then
        "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --target "$WORK/site.part" "$WHEELS"/*.whl || exit
        mv "$WORK/site.part" "$WORK/site"
    fi
    if [ -n "${PACKED:-}" ]; then
        for name in $SETS; do
            [ -e "$WORK/data/.$name" ] && continue
            "$PYTHON" "$PACKED/unpack.py" "$WORK/data" --only "$name" --formats torchvision || exit
            touch "$WORK/data/.$name"
        done
    fi
    export PYTHONPATH=$root/src:$WORK/site${PYTHONPATH:+:$PYTHONPATH}
    export INITLAB_DATA_DIR=$WORK/data INITLAB_OUTPUT_DIR=$WORK/outputs PYTHONUNBUFFERED=1
    cd "$root" || exit
}

sweep() {  # until the limit; what is stopped is saved
    local log=$OUT/$1.log status; shift
    timeout --signal=TERM --kill-after=60 "$LIMIT" "$PYTHON" train.py -m "$@" >> "$log" 2>&1
    status=$?
    tail -n 25 "$log"
    case $status in
        0) echo "$*: all done" ;;
        124 | 130 | 137 | 143) echo "$*: stopped after $LIMIT s; the same command goes on" ;;
        *) echo "$*: ended with $status" ;;
    esac
    return $status
}

# The first cells of an experiment, in its order: those whose data are here.
part() {
    local name=$1 words; shift
    case $name in
        table2) words="experiment=arpit2019/table2 sweep.max_runs=40" ;;       # WRN-40-10
        fig4) words="experiment=arpit2019/fig4" ;;
        table1) words="experiment=arpit2019/table1 sweep.max_runs=100" ;;      # ResNet-56 and ResNet-110
        risotto1) words="experiment=risotto/table1 sweep.max_runs=18" ;;       # ResNet-18
        risotto2) words="experiment=risotto/table2 sweep.max_runs=18" ;;
        precision) words="experiment=precision" ;;
        fig3_right) words="experiment=arpit2019/fig3_right sweep.max_runs=900" ;;  # up to 1,000 layers
        *) echo "there is no piece $name; see the head of this file" >&2; exit 2 ;;
    esac
    # shellcheck disable=SC2086
    sweep "$name" $words "$@"
}

piece=${1:-}; [ $# -gt 0 ] && shift
prepare
case $piece in
    tests)
        # Their files alone, since others may import what is not here; what other versions warn of is no error.
        mapfile -t files < <(grep -rl --include='test_*.py' 'mark\.gpu' tests)
        timeout --signal=INT --kill-after=30 "$LIMIT" "$PYTHON" -m pytest -p no:cacheprovider -W default -m gpu \
            --durations=15 "${files[@]}" "$@" > "$OUT/tests.log" 2>&1
        status=$?; tail -n 40 "$OUT/tests.log"; exit $status ;;
    bench)
        budget=$((LIMIT > 30 ? LIMIT - 20 : LIMIT))
        timeout --signal=TERM --kill-after=30 "$LIMIT" "$PYTHON" -m benchmarks.gpu --data-dir "$WORK/data" \
            --budget "$budget" --out "$OUT/gpu.json" "$@" ;;
    cpu)
        export CUDA_VISIBLE_DEVICES= OMP_NUM_THREADS=1
        started=$SECONDS limit=$LIMIT
        for experiment in "$@"; do
            LIMIT=$((limit - (SECONDS - started)))
            [ "$LIMIT" -gt 5 ] || { echo "$experiment: no time was left"; continue; }
            sweep "cpu_${experiment//\//_}" "experiment=$experiment" scale=laptop hydra/launcher=pool \
                "hydra.launcher.num_workers=$cores"
        done ;;
    pack)
        tar -C "$WORK" --exclude=checkpoints --exclude='*.png' --exclude='*.svg' -czf "$OUT/runs.tar.gz" outputs
        ls -l "$OUT" ;;
    *) part "$piece" "$@" ;;
esac
