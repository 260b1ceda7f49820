//! What was meant: the nearest of the words that are allowed.

/// The candidate nearest to a word, when it is near enough to have been meant.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let near = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= near && distance < candidate.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// `; did you mean X?` with the nearest candidate between two quotes, or nothing.
pub(super) fn did_you_mean<'a>(word: &str, quotes: [&str; 2], candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|meant| format!("; did you mean {}{meant}{}?", quotes[0], quotes[1])).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_suggested_and_a_far_one_is_not() {
        let words = ["lr", "beta1", "beta2", "epsilon", "patience"];
        for (word, meant) in [
            ("lrr", Some("lr")),
            ("rl", Some("lr")),
            ("LR", Some("lr")),
            ("beta", Some("beta1")),
            ("patiense", Some("patience")),
            ("pateince", Some("patience")),
            ("x", None),
            ("weight_decay", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, words), meant, "{word}");
        }
    }
}
