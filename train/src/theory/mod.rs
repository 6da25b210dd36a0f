//! The paper's theory as numbers of one's own data: constants, sizes, bounds, curvature.

pub mod bounds;
pub mod certificate;
pub mod constants;
pub mod curvature;
pub mod davidson;
pub mod definite;
pub mod gram_operator;
pub mod hessian;
pub mod lanczos;
pub mod low_rank;
pub mod nystrom;
pub mod pairs;
pub mod position;
pub mod power_position;
pub mod preconditioner;
pub mod proof;
pub mod random_position;
pub mod statements;
pub mod tensor_power;
pub mod theorem6;
pub mod threshold;
pub(crate) mod vector;
