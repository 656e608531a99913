# Fault injection. Each system call that condor-token-helper makes on its store fails in turn,
# signals arrive at each of them, and afterwards the login must work. The issuer rotates
# refresh tokens and rejects old ones. The program matrix traces the helper, runs the issuer and
# counts the lost logins.
# shellcheck shell=bash

matrix=0
"$W/bin/matrix" -helper "$W/bin/condor-token-helper" -work "$W/matrix" || matrix=1
result "no injected fault loses a login without a message" $matrix
