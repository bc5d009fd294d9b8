#!/usr/bin/env bash
# local_slurm.sh {install|start|stop|status}: a real SLURM cluster on this machine, for tests.
# Needs root. Everything lies in one folder, every port is on 127.0.0.1, and nothing outlives `stop`.
#   LOCAL_SLURM_DIR    folder of configuration, state, logs and pids   (default ${TMPDIR:-/tmp}/local-slurm)
#   LOCAL_SLURM_PORT   first of its ports                              (default 26900)
#   LOCAL_SLURM_NODES  nodes, all on this machine                      (default 2)
#   LOCAL_SLURM_CPUS   CPUs of a node, which need not exist            (default 4)
#   LOCAL_SLURM_GPUS   GPUs of a node, which do not exist: twins of /dev/null   (default 2)
#   LOCAL_SLURM_ARRAY  MaxArraySize                                    (default 1001)
set -u
DIR=${LOCAL_SLURM_DIR:-${TMPDIR:-/tmp}/local-slurm}
PORT=${LOCAL_SLURM_PORT:-26900}
NODES=${LOCAL_SLURM_NODES:-2}
CPUS=${LOCAL_SLURM_CPUS:-4}
GPUS=${LOCAL_SLURM_GPUS:-2}
ARRAY=${LOCAL_SLURM_ARRAY:-1001}
export SLURM_CONF=$DIR/etc/slurm.conf
PATH=$PATH:/usr/sbin:/sbin

die() { echo "local_slurm: $*" >&2; exit 1; }
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

wait_for() { # seconds, what, command...
  local end=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -le $end ] || die "$what did not come up; see $DIR/log"
    sleep 0.1
  done
}

install() {
  [ -x /usr/sbin/slurmctld ] && [ -x /usr/sbin/munged ] && return
  # No service may start by itself.
  local policy=/usr/sbin/policy-rc.d mine=0
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && mine=1; fi
  apt-get update -qq >/dev/null &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      slurmctld slurmd slurm-client munge >/dev/null
  local failed=$?
  [ $mine = 1 ] && rm -f $policy
  [ $failed = 0 ] || die "the Debian packages slurmctld slurmd slurm-client munge could not be installed"
}

configure() {
  mkdir -p "$DIR"/{etc,run,log,state,spool,munge,gpu}
  chmod 755 "$DIR"; chmod 700 "$DIR/munge"
  [ -s "$DIR/munge/munge.key" ] || head -c 1024 /dev/urandom > "$DIR/munge/munge.key"
  chmod 400 "$DIR/munge/munge.key"
  echo "CgroupPlugin=cgroup/v1" > "$DIR/etc/cgroup.conf"
  : > "$DIR/etc/gres.conf"
  {
    cat <<CONF
ClusterName=local
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$PORT
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire: a requeued job waits so many seconds before it starts again (120 by default)
AuthInfo=socket=$DIR/munge/munge.sock,cred_expire=5
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation=$DIR/state
SlurmdSpoolDir=$DIR/spool/%n
SlurmctldPidFile=$DIR/run/slurmctld.pid
SlurmdPidFile=$DIR/run/slurmd.%n.pid
SlurmctldLogFile=$DIR/log/slurmctld.log
SlurmdLogFile=$DIR/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0,sched_min_interval=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
MinJobAge=300
InactiveLimit=0
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=10
UnkillableStepTimeout=30
MaxArraySize=$ARRAY
MaxJobCount=2000
GresTypes=gpu
CONF
    local i k
    for i in $(seq 1 "$NODES"); do
      for k in $(seq 0 $((GPUS - 1))); do
        # slurmd takes nothing but a character device.
        [ -e "$DIR/gpu/n$i.$k" ] || mknod "$DIR/gpu/n$i.$k" c 1 3 || die "mknod needs root"
      done
      echo "NodeName=n$i Name=gpu File=$DIR/gpu/n$i.[0-$((GPUS - 1))]" >> "$DIR/etc/gres.conf"
      echo "NodeName=n$i NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=$((PORT + 10 + i)) CPUs=$CPUS" \
        "Boards=1 SocketsPerBoard=1 CoresPerSocket=$CPUS ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN" \
        "Gres=gpu:$GPUS"
    done
    echo "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO"
  } > "$SLURM_CONF"
}

all_idle() { [ "$(sinfo -h -N -o %T | grep -cE 'idle|mixed|allocated')" = "$NODES" ]; }

start() {
  [ -x /usr/sbin/slurmctld ] || die "not installed: run '$0 install'"
  alive "$DIR/run/slurmctld.pid" && return
  configure
  alive "$DIR/run/munged.pid" ||
    munged --socket="$DIR/munge/munge.sock" --key-file="$DIR/munge/munge.key" --force \
      --pid-file="$DIR/run/munged.pid" --log-file="$DIR/log/munged.log" \
      --seed-file="$DIR/munge/munged.seed" 2>>"$DIR/log/munged.err" || die "munged; see $DIR/log"
  wait_for 10 munged munge -n -S "$DIR/munge/munge.sock"
  slurmctld -f "$SLURM_CONF" || die slurmctld
  wait_for 20 slurmctld scontrol ping
  local i
  for i in $(seq 1 "$NODES"); do
    mkdir -p "$DIR/spool/n$i"
    alive "$DIR/run/slurmd.n$i.pid" || slurmd -f "$SLURM_CONF" -N "n$i" || die "slurmd n$i"
  done
  wait_for 30 "an idle cluster" all_idle
  echo "export SLURM_CONF=$SLURM_CONF"
}

end() { # pid file, seconds
  local pid k
  pid=$(cat "$1" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null
  for k in $(seq 1 $(($2 * 10))); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  kill -9 "$pid" 2>/dev/null
  rm -f "$1"
}

stop() {
  local k f
  if alive "$DIR/run/slurmctld.pid"; then
    scancel --quiet -u root 2>/dev/null
    for k in $(seq 1 150); do
      [ -z "$(squeue -h -o %i 2>/dev/null)" ] && break
      [ "$k" = 50 ] && scancel --full --signal=KILL -u root 2>/dev/null
      sleep 0.1
    done
  fi
  for f in "$DIR"/run/slurmd.*.pid; do [ -e "$f" ] && end "$f" 15; done
  for k in $(pgrep -x slurmstepd); do # outlives its slurmd
    tr '\0' '\n' < "/proc/$k/environ" 2>/dev/null | grep -qx "SLURM_CONF=$SLURM_CONF" && kill -9 "$k"
  done
  for f in slurmctld munged; do end "$DIR/run/$f.pid" 20; done
  return 0
}

status() { alive "$DIR/run/slurmctld.pid" || die "not running"; sinfo -N -o "%N %T %C %G"; squeue; }

case "${1:-}" in
  install|start|stop|status) "$1" ;;
  *) echo "usage: $0 {install|start|stop|status}" >&2; exit 2 ;;
esac
