//! What is refused of arrays that are not what their headers say. What other tools write is read in tests/formats.rs.

#[cfg(feature = "npz")]
use std::io::Write;

/// An NPY file of version 1 with this header and these bytes.
fn npy(header: &str, bytes: &[u8]) -> Vec<u8> {
    let length = header.len() as u16;
    [b"\x93NUMPY\x01\x00", &length.to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

fn header(kind: &str, shape: &str) -> String {
    format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

fn safetensors(header: &str, bytes: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat()
}

/// Opens a file with these bytes; the message without the file's name.
fn refused(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    let error = crate::data::open_table(&path).err().expect("refused");
    assert_eq!(error.exit_code(), 2);
    let message = error.to_string();
    message.strip_prefix(&format!("{}: ", path.display())).unwrap_or_else(|| panic!("no place in {message}")).to_string()
}

#[test]
#[rustfmt::skip]
fn headers_that_lie_are_refused_before_anything_is_allocated() {
    let huge = u64::MAX.to_string();
    let cases: [(&str, Vec<u8>, &str); 17] = [
        ("x.npy", npy(&header("<f8", "(4, 2)"), &[0; 63]), "the array is too short: its header says [4, 2], which is 64 bytes, but 63 follow"),
        // 10^12 rows of 8 bytes: more than any memory
        ("x.npy", npy(&header("<f8", "(1000000000000,)"), &[0; 8]), "its header says [1000000000000], which is 8000000000000 bytes, but 8 follow"),
        ("x.npy", npy(&header("<f8", &format!("({huge}, {huge})")), &[0; 8]), "more than any file holds"),
        ("x.npy", npy(&header("<f8", "(99999999999999999999,)"), &[0; 8]), "a header that cannot be read"),
        ("x.npy", npy(&header("<f8", "(-1,)"), &[0; 8]), "a header that cannot be read"),
        ("x.npy", npy(&header("<f8", "()"), &[0; 8]), "has the shape []: reshape it to one row for each example"),
        ("x.npy", npy("{}", &[]), "a header that cannot be read, \"{}\": save it with numpy.save"),
        ("x.npy", npy(&"(".repeat(60_000), &[]), "a header that cannot be read"),
        ("x.npy", npy(&header("|O", "(4,)"), &[]), "values of the type |O, but only numbers are read"),
        ("x.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", &[0; 4]), "values of the type of records"),
        ("x.npy", [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..]].concat(), "a header of 4294967295 bytes"),
        ("x.npy", b"\x93NUMPY\x01".to_vec(), "no NPY file, or one that was cut short"),
        ("x.npy", Vec::new(), "no NPY file, or one that was cut short"),
        ("x.npy", b"height,count\n1,2\n".to_vec(), "no NPY file: it begins with [68, 65, 69, 67, 68, 74]"),
        ("x.safetensors", safetensors(r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#, &[0; 12]), "not a safetensors file, or a damaged one (its header is wrong: "),
        ("x.safetensors", safetensors(r#"{"x":{"dtype":"F32","shape":[2000],"data_offsets":[0,8000]}}"#, &[0; 8]), "the array `x` ends at byte 8000 of 8"),
        ("x.safetensors", u64::MAX.to_le_bytes().to_vec(), "its header is said to have 18446744073709551615 bytes, but 0 follow"),
    ];
    for (name, bytes, wanted) in cases {
        let message = refused(name, &bytes);
        assert!(message.contains(wanted), "wanted {wanted}\nfound  {message}");
    }
}

#[cfg(feature = "npz")]
#[test]
fn archives_that_are_none_or_bombs_are_refused() {
    let archive = |bytes: &[u8]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        writer.start_file("x.npy", options).expect("an entry");
        writer.write_all(bytes).expect("written");
        writer.finish().expect("an archive").into_inner()
    };
    // 80 MiB of zeros pack to 80 KiB, of which 64 MiB and 64 times 80 KiB may be unpacked
    let rows = 10 << 20;
    let bomb = archive(&npy(&header("<f8", &format!("({rows},)")), &vec![0; 8 * rows]));
    let short = archive(&npy(&header("<f8", "(1000,)"), &[0; 80]));
    let cut = &archive(&npy(&header("<f8", "(10,)"), &[0; 80]))[..100];
    for (bytes, wanted) in [
        (&bomb[..], "may not unpack to more than"),
        (&short, "the array `x` is too short: its header says [1000], which is 8000 bytes, but 80 follow"),
        (&archive(b"not an array at all"), "`x` in it is no NPY file"),
        (cut, "it is no NPZ archive, or one that was cut short"),
        (b"", "it is no NPZ archive"),
        (b"height,count\n1,2\n", "it is no NPZ archive"),
    ] {
        let message = refused("x.npz", bytes);
        assert!(message.contains(wanted), "wanted {wanted}\nfound  {message}");
    }
}
