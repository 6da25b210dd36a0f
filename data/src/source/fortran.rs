//! Arrays whose first dimension is the fastest, row by row.

/// Rows that are made at once: as many numbers stand together for each column.
const BLOCK: usize = 64;

/// Copies an array of `dims` in Fortran order to C order, numbers of `size` bytes.
///
/// Number (i, j_1, ..., j_k) stands at i + n (j_1 + d_1 (j_2 + ...)), and goes to row i at ((j_1 d_2 + j_2) d_3 + ...) + j_k.
///
/// # Panics
/// If there are not as many bytes on both sides as the dimensions say, or the size is none of 1, 2, 4, 8.
pub(super) fn to_rows(size: usize, dims: &[usize], from: &[u8], to: &mut [u8]) {
    match size {
        1 => copy::<1>(dims, from, to),
        2 => copy::<2>(dims, from, to),
        4 => copy::<4>(dims, from, to),
        8 => copy::<8>(dims, from, to),
        _ => unreachable!("numbers of {size} bytes"),
    }
}

fn copy<const N: usize>(dims: &[usize], from: &[u8], to: &mut [u8]) {
    let (from, to) = (from.as_chunks::<N>().0, to.as_chunks_mut::<N>().0);
    let (rows, width) = (dims[0], dims[1..].iter().product());
    assert!(from.len() == rows * width && to.len() == rows * width, "{dims:?} of {N} bytes");
    for first in (0..rows).step_by(BLOCK) {
        let block = first..rows.min(first + BLOCK);
        for j in 0..width {
            let column = &from[rows * place(j, &dims[1..])..][..rows];
            for i in block.clone() {
                to[i * width + j] = column[i];
            }
        }
    }
}

/// Where a column stands among the columns in Fortran order that is the j-th in C order.
fn place(mut j: usize, dims: &[usize]) -> usize {
    let mut stride: usize = dims.iter().product();
    let mut place = 0;
    for &dim in dims.iter().rev() {
        stride /= dim;
        place += j % dim * stride;
        j /= dim;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_to_their_rows() {
        // numpy.arange(24).reshape(2, 3, 4).tobytes("F"), as bytes.
        let from = [0, 12, 4, 16, 8, 20, 1, 13, 5, 17, 9, 21, 2, 14, 6, 18, 10, 22, 3, 15, 7, 19, 11, 23];
        let mut to = [0; 24];
        to_rows(1, &[2, 3, 4], &from, &mut to);
        assert_eq!(to, std::array::from_fn(|i| i as u8));
    }

    #[test]
    fn more_rows_than_a_block_and_every_size() {
        for size in [1, 2, 4, 8] {
            let (rows, width) = (BLOCK + 3, 5);
            let number = |i: usize, j: usize| (0..size).map(move |byte| (31 * i + 7 * j + 3 * byte) as u8);
            let from: Vec<u8> = (0..width).flat_map(|j| (0..rows).flat_map(move |i| number(i, j))).collect();
            let expected: Vec<u8> = (0..rows).flat_map(|i| (0..width).flat_map(move |j| number(i, j))).collect();
            let mut to = vec![0; from.len()];
            to_rows(size, &[rows, width], &from, &mut to);
            assert_eq!(to, expected, "{size}");
        }
    }
}
