# Reads the assembly of the kernels (x86-64 or aarch64) and checks what no result tells: that sums stay in registers
# from one multiply-add to the next. An innermost loop of multiply-adds must not touch the stack with a vector register,
# and a function with such a loop must call nothing but what ends in a panic: around a call between two stages of a step
# all sums would go to the stack and come back.
#
# -v sums=N   multiply-adds of the smallest loop that counts
# -v least=N  loops that there must be: fewer mean that this script no longer recognises them
#
# On aarch64 memory may be copied and set: that is how pulp reads and writes a part of a register, at the last columns
# of a matrix.
function forget() {
  delete added_at; delete stacked_at; delete line_of; delete target
  added = stacked = loops_here = calls_here = inner = 0
}
BEGIN { ends = "panic|unwrap_failed|expect_failed|slice_index_fail|len_mismatch_fail|went_wrong" }
/^[A-Za-z_$][^ ]*:/ { name = substr($1, 1, length($1) - 1); forget() }
/^\.L[^:]*:/ {
  label = substr($1, 1, length($1) - 1)
  added_at[label] = added; stacked_at[label] = stacked; line_of[label] = NR
  next
}
$1 == "fmla" || $1 ~ /^vfmadd/ { added++ }
/\[sp/ || /[xyz]mm.*\(%rsp[,)]/ || /\(%rsp[,)].*[xyz]mm/ { stacked++ }
# A branch back to a label, with none before it that lies behind the label, too.
$1 ~ /^(b|b\..*|cb.*|tb.*|j.*)$/ && $NF in line_of {
  if (line_of[$NF] > inner && added - added_at[$NF] >= sums) {
    loops_here++
    if (stacked > stacked_at[$NF]) { spilled++; printf "%s: a loop with sums on the stack\n", name }
  }
  if (line_of[$NF] > inner) inner = line_of[$NF]
}
# The addresses of functions that are called through a register.
/@GOTPCREL\(%rip\), %/ { split($2, symbol, "@"); target["*" $NF] = symbol[1] }
/:got_lo12:/ {
  loaded = $2; sub(/,/, "", loaded)
  symbol_of = $NF; gsub(/:got_lo12:|\]/, "", symbol_of)
  target[loaded] = symbol_of
}
$1 ~ /^(blr?|callq?)$/ {
  called = $NF in target ? target[$NF] : $NF
  of_part = $1 ~ /^bl/ && called ~ /^mem(cpy|set)$/
  if (called !~ ends && !of_part) calls[calls_here++] = called
}
/\.cfi_endproc/ {
  for (call = 0; loops_here > 0 && call < calls_here; call++) printf "%s calls %s\n", name, calls[call]
  if (loops_here > 0) all_calls += calls_here
  loops += loops_here
}
END {
  printf "%d loops of %d or more multiply-adds, %d with sums on the stack; ", loops, sums, spilled
  printf "%d calls beside them\n", all_calls
  exit loops < least || spilled || all_calls
}
