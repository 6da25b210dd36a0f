# Reads the assembly of the kernels, of x86-64 or aarch64, and looks at what no result tells: that sums stay in registers
# from one multiply-add to the next. A loop of a whole tile must not touch the stack with them, and a function that has
# such a loop must call nothing but what ends in a panic, copies memory or finds a panel: around a call between two
# stages of a step all sums would go to the stack and come back.
#
# -v sums=N: multiply-adds of the smallest loop that is looked at.
/^[A-Za-z_$][^ ]*:/ { name = $1; loops_here = calls_here = 0 }
/^\.L[^:]*:/ { label = substr($1, 1, length($1) - 1); here = stack = 0; next }
$1 == "fmla" || $1 ~ /^vfmadd/ { here++ }
/\[sp/ || /[xyz]mm.*\(%rsp\)/ || /\(%rsp\).*[xyz]mm/ { stack++ }
$1 ~ /^(b\.|cb|tb|j)/ && $NF == label && here >= sums { loops_here++; spilled += stack > 0 }
$1 ~ /^(bl|callq?)$/ && $NF !~ /panic|_fail|went_wrong|mem(cpy|set|move)|spec_fill|Panels.*panel|^\*%/ { calls[calls_here++] = $NF }
/\.cfi_endproc/ {
  for (call = 0; loops_here > 0 && call < calls_here; call++) printf "%s calls %s\n", name, calls[call]
  if (loops_here > 0) called += calls_here
  loops += loops_here
  loops_here = calls_here = 0
}
END {
  printf "%d loops of %d or more multiply-adds, %d with sums on the stack; %d calls beside them\n", loops, sums, spilled, called
  exit !loops || spilled || called
}
