# Shared by the stand-ins. Numbers are a function of the POSCAR and of nothing else, and
# mean nothing.
#   fail.PROGRAM         in the job's folder (or FAIL=PROGRAM): the program fails with status 3
#   unconverged.PROGRAM  in the job's folder (lmf, gwsc): it ends well without convergence
set -eu
program=${0##*/}

stop() { # MESSAGE [STATUS]
  echo "$program (stand-in): $1" >&2
  exit "${2:-1}"
}

need() { # FILE...
  for file; do
    [ -s "$file" ] || stop "there is no $file"
  done
}

need_ctrl() { # NAME
  [ -s "ctrl.$1" ] || [ -s "ctrlg.$1.toml" ] || stop "there is no ctrl.$1"
}

read_poscar() { # sets species, atoms, volume (A^3), energy (eV)
  need POSCAR
  # shellcheck disable=SC2046
  set -- $(awk '
    NR == 2 { scale = $1 }
    NR >= 3 && NR <= 5 { i = NR - 2; x[i] = $1; y[i] = $2; z[i] = $3 }
    NR == 6 { species = NF }
    NR == 7 { for (i = 1; i <= NF; i++) atoms += $i }
    NR == 7 && NF != species { exit }
    END {
      v = x[1] * (y[2] * z[3] - z[2] * y[3]) - y[1] * (x[2] * z[3] - z[2] * x[3]) \
        + z[1] * (x[2] * y[3] - y[2] * x[3])
      if (v < 0) v = -v
      v = scale < 0 ? -scale : v * scale ^ 3
      printf "%d %d %.6f %.6f\n", species, atoms, v, -2000 * atoms - 300 * species - 0.05 * v
    }' POSCAR)
  species=$1 atoms=$2 volume=$3 energy=$4
  if [ "$atoms" -le 0 ] || [ "$volume" = 0.000000 ]; then
    stop "POSCAR cannot be read"
  fi
}

gap() { # QSGW-ITERATIONS: eV; it opens with the first ones, as in reality
  awk -v v="$volume" -v n="$atoms" -v i="$1" 'BEGIN {
    printf "%.4f\n", 60 / (5 + v / n) * (1 - 0.5 ^ (i + 1)) }'
}

save_line() { # c|x|h NAME ENERGY
  echo "$1 ehf(eV)=$3 ehk(eV)=$3 sev(eV)=-$atoms.000000" | tee -a "save.$2"
}

if [ -e "fail.$program" ] || [ "${FAIL:-}" = "$program" ]; then
  stop "fails on purpose" 3
fi
