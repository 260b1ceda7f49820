//! NumPy's archive of arrays.

use crate::error::{Error, Result};
use crate::model::Weights;
use ndarray::ArrayViewD;
use ndarray_npy::NpzWriter;
use std::io::Cursor;

/// The tensors under their names, as `numpy.load` reads them.
pub(super) fn npz(weights: &Weights) -> Result<Vec<u8>> {
    let mut archive = NpzWriter::new(Cursor::new(Vec::new()));
    let failed = |e: &dyn std::fmt::Display| Error::input(format!("the archive cannot be written: {e}"));
    for (name, shape, values) in weights.iter() {
        let array = ArrayViewD::from_shape(shape, values).map_err(|e| failed(&e))?;
        archive.add_array(name, &array).map_err(|e| failed(&e))?;
    }
    Ok(archive.finish().map_err(|e| failed(&e))?.into_inner())
}
