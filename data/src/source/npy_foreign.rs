//! Element types of NumPy that are no real numbers, or more than 64 bits of one, and the line that makes numbers of
//! them.

/// Describes a type, and how to save the array (`a` in the advice) so that it can be read.
pub(super) fn of(descr: &str) -> (&'static str, &'static str) {
    let kind = descr.trim_start_matches(['<', '>', '|', '=']);
    match kind.as_bytes() {
        b"[structured]" => (
            "fields with names",
            "save one field, numpy.save(\"X.npy\", a[\"name\"]), or all side by side with \
             numpy.lib.recfunctions.structured_to_unstructured(a)",
        ),
        [b'c', ..] => (
            "complex numbers",
            "save both parts, numpy.save(\"X.npy\", numpy.stack([a.real, a.imag], axis=-1)): nothing is lost",
        ),
        [b'O', ..] => (
            "Python objects",
            "save numbers, numpy.save(\"X.npy\", numpy.array(a.tolist(), dtype=float)); rows must all have the same length",
        ),
        [b'U' | b'S' | b'a' | b'T', ..] => (
            "text",
            "save numbers, numpy.save(\"y.npy\", a.astype(float)), or a number for each word: \
             words, y = numpy.unique(a, return_inverse=True); numpy.save(\"y.npy\", y)",
        ),
        [b'M' | b'm', ..] => (
            "dates or times",
            "save the count of units since 1970, or of the duration: numpy.save(\"X.npy\", a.astype(numpy.int64)); \
             this loses nothing, and makes -2^63 of NaT",
        ),
        [b'V', ..] => (
            "raw bytes",
            "say what they are, for bfloat16 numpy.save(\"X.npy\", a.view(ml_dtypes.bfloat16).astype(numpy.float32)): nothing is lost",
        ),
        [b'f', ..] => (
            "floats of more than 64 bits",
            "numpy.save(\"X.npy\", a.astype(numpy.float64)) keeps the 53 leading bits of each, which is as much as any command computes with",
        ),
        _ => (
            "unknown to this program",
            "convert it in NumPy: numpy.save(\"X.npy\", a.astype(numpy.float64)), and compare it with the original there",
        ),
    }
}
