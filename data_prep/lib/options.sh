# What the scripts of data_prep share: options, errors, help. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
python=${PYTHON:-python}
rest=()

fail() { echo "error: $1" >&2; exit 1; }

read_options() { # "NAME ..." OPTION...: `--some-name X` sets some_name, all else is rest
    local known=" $1 "
    shift
    while (($#)); do
        case $1 in
            -h|--help) awk 'NR > 1 && !/^#/ {exit} NR > 1 {sub(/^# ?/, ""); print}' "$0"
                exit 0 ;;
        esac
        if [[ $1 == --* && $known == *" ${1#--} "* ]]; then
            (($# > 1)) || fail "$1 needs a value."
            local name=${1#--}
            printf -v "${name//-/_}" %s "$2"
            shift 2
        else
            rest+=("$1")
            shift
        fi
    done
}

require() { # NAME WHAT: ends without that option
    [[ -n ${!1:-} ]] || fail "--$1, $2, must be given."
}
