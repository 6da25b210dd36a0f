//! Digests of the pieces of a table, and one for all of it: compared among ranks that have a file each, and with the
//! contents of the file later.

use std::ops::Range;

use memorize_kernels::team::{Team, gather};
use rayon::prelude::*;

use super::map::{Bytes, Since};
use super::{Origin, Table};
use crate::digest::{HEX_DIGITS, Hasher, sha256};
use crate::error::DataError;

/// Bytes of a piece.
const PIECE: usize = 1 << 20;

/// Stands for no piece.
const NONE: u64 = u64::MAX;

/// The rows of a table in pieces.
#[derive(Debug)]
pub(super) struct Pieces {
    /// Where the rows are among the table's bytes.
    all: Range<usize>,
    /// The digests of the pieces, in hexadecimal, one after the other.
    digests: Vec<u8>,
}

impl Table {
    /// What must be the same for the same bytes to be the same numbers: their type, their byte order, the dimensions.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[2, 3], &[0.0; 6])?;
    /// assert_eq!(table.layout(), "u8 little-endian, 2 x 3");
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn layout(&self) -> String {
        let dims: Vec<String> = self.dims.iter().map(usize::to_string).collect();
        format!("{} {}-endian, {}", self.element, format!("{:?}", self.order).to_lowercase(), dims.join(" x "))
    }

    /// SHA-256 of the type of the numbers, the dimensions and the numbers as they lie, made of the digests of pieces
    /// that all threads compute at once. Reads every row.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    ///
    /// let digest = |last| Table::from_memory("t", ElementType::U8, &[2], &[1.0, last]).map(|table| table.digest());
    /// assert!(digest(2.0)? == digest(2.0)? && digest(2.0)? != digest(3.0)?);
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn digest(&self) -> String {
        let all = self.all();
        let digests = self.digests(&all, 0..pieces(&all));
        self.digest_of(Pieces { all, digests })
    }

    /// The same for the ranks of a team, each of which has a table of this [`layout`](Self::layout), and reads `rows`
    /// of it from then on. Makes sure that these are what rank 0 has in their place.
    ///
    /// Rank 0 reads all of its table for that, the others their rows only. Where ranks have mapped the very same file,
    /// they share it out instead.
    ///
    /// # Errors
    /// [`DataError::RanksDiffer`] on every rank if one of them has other numbers; the place is the right one on rank 0.
    ///
    /// ```
    /// use memorize_data::{ElementType, Table};
    /// use memorize_kernels::team::{Exchange, Team};
    ///
    /// /// A team of one: the whole is what it has.
    /// #[derive(Debug)]
    /// struct Alone;
    ///
    /// impl Team for Alone {
    ///     fn rank(&self) -> usize {
    ///         0
    ///     }
    ///     fn ranks(&self) -> usize {
    ///         1
    ///     }
    ///     fn exchange(&self, _: &mut dyn Exchange) {}
    /// }
    ///
    /// let table = Table::from_memory("t", ElementType::U8, &[4], &[1.0, 2.0, 3.0, 4.0])?;
    /// assert_eq!(table.digest_among(&Alone, 0..4)?, table.digest());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn digest_among(&self, team: &dyn Team, rows: Range<usize>) -> Result<String, DataError> {
        let (rank, all) = (team.rank(), self.all());
        // Of one length for every file, and of no file.
        let identity = self.file().identity().map_or_else(|| vec![0; HEX_DIGITS], |own| sha256(own.as_bytes()).into());
        let files = gather(team, &identity);
        let file = |rank: usize| &files[rank * HEX_DIGITS..][..HEX_DIGITS];
        let same = |&other: &usize| other == 0 || (file(0) != [0; HEX_DIGITS] && file(other) == file(0));
        let with_first: Vec<usize> = (0..team.ranks()).filter(same).collect();
        let place = with_first.iter().position(|&other| other == rank);
        let own = match place {
            Some(place) => {
                let start = |place: usize| pieces(&all) * place / with_first.len();
                start(place)..start(place + 1)
            }
            None => covering(&all, &self.bytes_of(rows)),
        };
        let own_digests = self.digests(&all, own.clone());
        let digests = gather(team, if place.is_some() { &own_digests } else { &[] });
        let there = &digests[own.start * HEX_DIGITS..own.end * HEX_DIGITS];
        let mut pairs = there.chunks(HEX_DIGITS).zip(own_digests.chunks(HEX_DIGITS));
        let other = pairs.position(|(there, here)| there != here).map_or(NONE, |at| (own.start + at) as u64);
        let others = gather(team, &[other]);
        match others.iter().position(|&other| other != NONE) {
            None => Ok(self.digest_of(Pieces { all, digests })),
            Some(rank) => Err(self.difference(team, rank, nth(&all, others[rank] as usize))),
        }
    }

    /// The first number in these bytes that another rank has otherwise, which sends them.
    fn difference(&self, team: &dyn Team, rank: usize, range: Range<usize>) -> DataError {
        let here = &self.bytes[range.clone()];
        let there = gather(team, if team.rank() == rank { here } else { &[] });
        let byte = here.iter().zip(&there).position(|(here, there)| here != there).unwrap_or(0);
        let number = (range.start - self.data_offset + byte) / self.element.size();
        let (row, column) = (self.skipped + number / self.row_len, number % self.row_len);
        DataError::RanksDiffer { path: self.path.clone(), rank, row, column }
    }

    /// Makes sure that what was read from a mapped file is what it held at the start. Its size and its time of change
    /// must be the same. If all else that the system knows is not, a file with a [`digest`](Self::digest) is read
    /// again: writing to it and setting the time back looks as permissions, a new name or another link do, and those
    /// change no number. A file without a digest is taken to be unchanged then, for the latter are common.
    ///
    /// Always so for tables in memory, and after the file was deleted or replaced by renaming.
    ///
    /// # Errors
    /// [`DataError::Changed`].
    ///
    /// ```
    /// use memorize_data::source::write_npy;
    /// use memorize_data::{ElementType, Table};
    ///
    /// let folder = tempfile::tempdir().unwrap();
    /// let path = folder.path().join("x.npy");
    /// write_npy(&path, ElementType::F64, &[2], &[1.0, 2.0])?;
    /// let table = Table::open(&path)?;
    /// assert!(table.check_unchanged().is_ok());
    /// # Ok::<(), memorize_data::DataError>(())
    /// ```
    pub fn check_unchanged(&self) -> Result<(), DataError> {
        match self.file().since() {
            Since::Untouched => Ok(()),
            Since::Touched(stamp) if self.is_as_digested() => {
                self.file().trust(stamp);
                Ok(())
            }
            Since::Touched(_) | Since::Written => Err(DataError::Changed { path: self.path.clone() }),
        }
    }

    /// Whether the rows that are here hold what they held when the digest was made, if it was.
    fn is_as_digested(&self) -> bool {
        // Copies are not written to by others.
        let (Some(Pieces { all, digests }), true) = (self.pieces.get(), self.is_mapped()) else { return true };
        let own = covering(all, &self.bytes_of(0..self.rows()));
        self.digests(all, own.clone()) == digests[own.start * HEX_DIGITS..own.end * HEX_DIGITS]
    }

    /// The file behind the rows, if there is one.
    fn file(&self) -> &Bytes {
        if let Origin::Mapped(file) = &self.origin { file } else { &self.bytes }
    }

    /// Where the rows are among the bytes.
    fn all(&self) -> Range<usize> {
        self.bytes_of(0..self.rows())
    }

    fn bytes_of(&self, rows: Range<usize>) -> Range<usize> {
        let row_bytes = self.row_len * self.element.size();
        self.data_offset + rows.start * row_bytes..self.data_offset + rows.end * row_bytes
    }

    /// The digests of some of the pieces of `all`, one after the other.
    fn digests(&self, all: &Range<usize>, which: Range<usize>) -> Vec<u8> {
        let digests: Vec<String> = which.into_par_iter().map(|piece| sha256(&self.bytes[nth(all, piece)])).collect();
        digests.concat().into_bytes()
    }

    /// The digest of all, whose pieces are kept.
    fn digest_of(&self, pieces: Pieces) -> String {
        let mut hasher = Hasher::default();
        hasher.piece(format!("{:?} {:?} {:?}", self.element, self.order, self.dims).as_bytes());
        pieces.digests.chunks(HEX_DIGITS).for_each(|piece| hasher.piece(piece));
        // Those of the first digest are the oldest.
        let _ = self.pieces.set(pieces);
        hasher.finish()
    }
}

/// Number of pieces.
fn pieces(all: &Range<usize>) -> usize {
    all.len().div_ceil(PIECE)
}

/// The bytes of a piece.
fn nth(all: &Range<usize>, piece: usize) -> Range<usize> {
    let start = all.start + piece * PIECE;
    start..all.end.min(start + PIECE)
}

/// The pieces that have these bytes in them.
fn covering(all: &Range<usize>, bytes: &Range<usize>) -> Range<usize> {
    let start = (bytes.start - all.start) / PIECE;
    start..if bytes.is_empty() { start } else { (bytes.end - all.start).div_ceil(PIECE) }
}
