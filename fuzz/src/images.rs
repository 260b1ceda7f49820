//! IDX files: two bytes with the length of the labels' file, that file, and the images' one; either may be packed.

use super::disk;
use gradus::data::{Dataset, Preprocessor, Scaler, Scaling, Split, read_idx_images, read_idx_pair};

pub(super) fn pair(bytes: &[u8]) {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return };
    let (labels, images) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
    let (labels, images) = (disk::file("labels", labels), disk::file("images", images));
    let _ = read_idx_images(&images);
    let Ok(table) = read_idx_pair(&images, &labels) else { return };
    let data = Dataset::new(table);
    let Ok((train, ..)) = (Split { valid: 0.2, test: 0.2, stratify: true, seed: 1 }).apply(&data) else { return };
    for scaling in [Scaling::Bytes, Scaling::Standard, Scaling::Robust] {
        let Ok(Some(scaler)) = Scaler::fit(scaling, &train) else { continue };
        let scaled = scaler.apply(&data);
        let preprocess = Preprocessor::of_numbers(data.table(), "class", Some(&scaler));
        assert_eq!(preprocess.inputs(), data.table().width());
        drop(scaled);
    }
}
