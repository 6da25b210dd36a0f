//! The element types of files, and how their bytes become numbers.

use std::fmt;

use half::f16;
use memorize_kernels::element::Element;

/// The type of the numbers in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// Truth, a byte: 0 is false and becomes 0, anything else is true and becomes 1.
    Bool,
    /// Unsigned byte (pixels).
    U8,
    /// Signed byte.
    I8,
    /// 16-bit integer without a sign.
    U16,
    /// 16-bit integer.
    I16,
    /// 32-bit integer without a sign.
    U32,
    /// 32-bit integer.
    I32,
    /// 64-bit integer without a sign. Values beyond 2^53 are rounded to f64 when read.
    U64,
    /// 64-bit integer (NumPy's default for labels). Values beyond 2^53 are rounded to f64 when read.
    I64,
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
}

/// The order of the bytes of one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    /// Most significant byte first: IDX, and .npy from some machines.
    Big,
    /// Least significant byte first: .npy, and tables in memory.
    Little,
}

impl ElementType {
    /// Every type.
    pub const ALL: [Self; 12] = [
        Self::Bool,
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::U64,
        Self::I64,
        Self::F16,
        Self::F32,
        Self::F64,
    ];

    /// Bytes of one number.
    ///
    /// ```
    /// assert_eq!(memorize_data::ElementType::F16.size(), 2);
    /// ```
    pub fn size(self) -> usize {
        match self {
            Self::Bool | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Short name: `bool`, `u8`, `i8` and so on to `u64`, `i64`; `f16`, `f32`, `f64`.
    ///
    /// ```
    /// use memorize_data::ElementType;
    ///
    /// assert_eq!((ElementType::U8.name(), ElementType::F64.name()), ("u8", "f64"));
    /// ```
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// Whether NaN and infinity exist in this type.
    ///
    /// ```
    /// use memorize_data::ElementType;
    ///
    /// assert!(ElementType::F16.is_float() && !ElementType::I64.is_float());
    /// ```
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Appends `value` in this type, or says that it does not exist there: not an integer, out of range, or finite and
    /// rounded to infinity. Floats are rounded to nearest; NaN and infinities are stored as they are.
    pub(crate) fn encode(self, order: ByteOrder, value: f64, out: &mut Vec<u8>) -> bool {
        let integer = |low: f64, high: f64| value.fract() == 0.0 && (low..=high).contains(&value);
        match self {
            Self::Bool if integer(0.0, 1.0) => out.push(value as u8),
            Self::U8 if integer(0.0, 255.0) => push(order, (value as u8).to_le_bytes(), out),
            Self::I8 if integer(-128.0, 127.0) => push(order, (value as i8).to_le_bytes(), out),
            Self::U16 if integer(0.0, 65535.0) => push(order, (value as u16).to_le_bytes(), out),
            Self::I16 if integer(-32768.0, 32767.0) => push(order, (value as i16).to_le_bytes(), out),
            Self::U32 if integer(0.0, f64::from(u32::MAX)) => push(order, (value as u32).to_le_bytes(), out),
            Self::I32 if integer(f64::from(i32::MIN), f64::from(i32::MAX)) => {
                push(order, (value as i32).to_le_bytes(), out);
            }
            // 2^63 itself is no i64; the largest f64 below it is 2^63 - 1024.
            Self::I64 if integer(-TWO_POW_63, TWO_POW_63 - 1024.0) => push(order, (value as i64).to_le_bytes(), out),
            // And 2^64 no u64.
            Self::U64 if integer(0.0, 2.0 * TWO_POW_63 - 2048.0) => push(order, (value as u64).to_le_bytes(), out),
            Self::F16 if !value.is_finite() || nearest_half(value).abs() <= f64::from(f16::MAX) => {
                push(order, f16::from_f64_const(nearest_half(value)).to_le_bytes(), out);
            }
            Self::F32 if (value as f32).is_finite() || !value.is_finite() => {
                push(order, (value as f32).to_le_bytes(), out);
            }
            Self::F64 => push(order, value.to_le_bytes(), out),
            _ => return false,
        }
        true
    }

    /// Decodes `out.len()` numbers. Each is widened to f64 (exactly, but for 64-bit integers beyond 2^53) and rounded
    /// to `T`.
    ///
    /// `bytes` holds exactly `out.len() * size()` bytes.
    #[inline(always)]
    pub(crate) fn decode<T: Element>(self, order: ByteOrder, bytes: &[u8], out: &mut [T]) {
        use ByteOrder::{Big, Little};
        debug_assert_eq!(bytes.len(), out.len() * self.size());
        // The compiler folds the detour over f64 away where it changes nothing (u8 to f32, f32 to f32).
        match (self, order) {
            (Self::Bool, _) => convert(bytes, out, |[byte]: [u8; 1]| f64::from(u8::from(byte != 0))),
            (Self::U8, _) => convert(bytes, out, |[byte]: [u8; 1]| f64::from(byte)),
            (Self::I8, _) => convert(bytes, out, |byte| f64::from(i8::from_le_bytes(byte))),
            (Self::U16, Big) => convert(bytes, out, |b| f64::from(u16::from_be_bytes(b))),
            (Self::U16, Little) => convert(bytes, out, |b| f64::from(u16::from_le_bytes(b))),
            (Self::I16, Big) => convert(bytes, out, |b| f64::from(i16::from_be_bytes(b))),
            (Self::I16, Little) => convert(bytes, out, |b| f64::from(i16::from_le_bytes(b))),
            (Self::U32, Big) => convert(bytes, out, |b| f64::from(u32::from_be_bytes(b))),
            (Self::U32, Little) => convert(bytes, out, |b| f64::from(u32::from_le_bytes(b))),
            (Self::I32, Big) => convert(bytes, out, |b| f64::from(i32::from_be_bytes(b))),
            (Self::I32, Little) => convert(bytes, out, |b| f64::from(i32::from_le_bytes(b))),
            (Self::U64, Big) => convert(bytes, out, |b| u64::from_be_bytes(b) as f64),
            (Self::U64, Little) => convert(bytes, out, |b| u64::from_le_bytes(b) as f64),
            (Self::I64, Big) => convert(bytes, out, |b| i64::from_be_bytes(b) as f64),
            (Self::I64, Little) => convert(bytes, out, |b| i64::from_le_bytes(b) as f64),
            (Self::F16, Big) => convert(bytes, out, |b| f16::from_be_bytes(b).to_f64_const()),
            (Self::F16, Little) => convert(bytes, out, |b| f16::from_le_bytes(b).to_f64_const()),
            (Self::F32, Big) => convert(bytes, out, |b| f64::from(f32::from_be_bytes(b))),
            (Self::F32, Little) => convert(bytes, out, |b| f64::from(f32::from_le_bytes(b))),
            (Self::F64, Big) => convert(bytes, out, f64::from_be_bytes),
            (Self::F64, Little) => convert(bytes, out, f64::from_le_bytes),
        }
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// 2^63, exactly.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// The multiple of the spacing of half precision at `value` that is nearest, ties to even: an f16, or a power of two
/// beyond the largest. (The crate's own conversion from f64 rounds twice on processors that convert f32.)
fn nearest_half(value: f64) -> f64 {
    // Below 2^-14 numbers are subnormal, all 2^-24 apart; from there on, 2^10 of them to each power of two.
    let exponent = (((value.to_bits() >> 52) & 0x7ff) as i32 - 1023).max(-14);
    let spacing = 2f64.powi(exponent - 10);
    if value.is_finite() { (value / spacing).round_ties_even() * spacing } else { value }
}

fn push<const N: usize>(order: ByteOrder, mut little: [u8; N], out: &mut Vec<u8>) {
    if order == ByteOrder::Big {
        little.reverse();
    }
    out.extend_from_slice(&little);
}

#[inline(always)]
fn convert<T: Element, const N: usize>(bytes: &[u8], out: &mut [T], number: impl Fn([u8; N]) -> f64) {
    for (value, &chunk) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *value = T::from_f64(number(chunk));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_do_not_exist_in_a_type_are_refused() {
        let stores = |element: ElementType, value| element.encode(ByteOrder::Big, value, &mut Vec::new());
        assert!(stores(ElementType::U8, 255.0) && !stores(ElementType::U8, 256.0) && !stores(ElementType::U8, -1.0));
        assert!(stores(ElementType::I8, -128.0) && !stores(ElementType::I8, 128.0));
        assert!(!stores(ElementType::I16, 0.5) && !stores(ElementType::I16, f64::NAN));
        assert!(stores(ElementType::I32, -2147483648.0) && !stores(ElementType::I32, 2147483648.0));
        assert!(stores(ElementType::I64, -TWO_POW_63) && !stores(ElementType::I64, TWO_POW_63));
        assert!(stores(ElementType::F32, f64::NAN) && stores(ElementType::F32, 0.1) && !stores(ElementType::F32, 1e39));
        assert!(stores(ElementType::F64, 1e300));
        assert!(stores(ElementType::Bool, 1.0) && !stores(ElementType::Bool, 2.0) && !stores(ElementType::Bool, 0.5));
        assert!(stores(ElementType::U16, 65535.0) && !stores(ElementType::U16, 65536.0));
        assert!(stores(ElementType::U32, 4294967295.0) && !stores(ElementType::U32, -1.0));
        let largest = 18_446_744_073_709_549_568.0;
        assert!(stores(ElementType::U64, largest) && !stores(ElementType::U64, 2.0 * TWO_POW_63));
        assert!(stores(ElementType::F16, 65519.9) && !stores(ElementType::F16, 65520.0));
        assert!(stores(ElementType::F16, f64::NAN) && stores(ElementType::F16, f64::NEG_INFINITY));
    }

    /// All 65,536 of them, and what lies between two neighbours.
    #[test]
    fn every_half_is_decoded_exactly_and_every_number_becomes_the_nearest() {
        let decoded = |bits: u16| {
            let mut out = [0.0f64];
            ElementType::F16.decode(ByteOrder::Little, &bits.to_le_bytes(), &mut out);
            out[0]
        };
        let encoded = |value: f64| {
            let mut bytes = Vec::new();
            ElementType::F16
                .encode(ByteOrder::Little, value, &mut bytes)
                .then(|| u16::from_le_bytes([bytes[0], bytes[1]]))
        };
        for bits in 0..=u16::MAX {
            let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let size = match exponent {
                0 => fraction * 2f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
            };
            let (value, found) = (if sign == 1 { -size } else { size }, decoded(bits));
            assert!(value.to_bits() == found.to_bits() || value.is_nan() && found.is_nan(), "{bits:04x}");
            if !value.is_nan() {
                assert_eq!(encoded(value), Some(bits));
            }
            if exponent < 31 && bits & 0x7fff < 0x7bff {
                let (next, middle) = (decoded(bits + 1), (value + decoded(bits + 1)) / 2.0);
                let (below, above) = (middle + (value - next) * 1e-9, middle - (value - next) * 1e-9);
                assert_eq!([encoded(below), encoded(above)], [Some(bits), Some(bits + 1)]);
                assert_eq!(encoded(middle), Some(if bits % 2 == 0 { bits } else { bits + 1 }), "ties go to even");
            }
        }
    }

    #[test]
    fn both_byte_orders_decode_what_they_encode() {
        for element in ElementType::ALL {
            for order in [ByteOrder::Big, ByteOrder::Little] {
                let values = if element == ElementType::Bool { [0.0, 1.0, 1.0, 0.0] } else { [0.0, 1.0, 100.0, 127.0] };
                let mut bytes = Vec::new();
                for value in values {
                    assert!(element.encode(order, value, &mut bytes));
                }
                let mut out = [0.0f32; 4];
                element.decode(order, &bytes, &mut out);
                assert_eq!(out.map(f64::from), values, "{element} {order:?}");
            }
        }
    }
}
