# What an accident does to a login. Each system call that condor-token-helper makes on
# its store fails in turn, signals arrive at each of them, and afterwards the login has
# to work: the issuer rotates refresh tokens and rejects the one before. The program
# matrix traces the helper, runs the issuer itself and counts the logins that are lost.
# shellcheck shell=bash

matrix=0
"$W/bin/matrix" -helper "$W/bin/condor-token-helper" -work "$W/matrix" || matrix=1
result "no accident loses a login without a message" $matrix
