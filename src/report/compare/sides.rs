//! Lays two sequences of events side by side: the longest common subsequence, in order.

use super::facts::Told;

/// Events of one run that are laid out at most; later ones are not shown beside each other.
pub(super) const MAX_EVENTS: usize = 1_000;

/// A place in the common order: an event of the left run, of the right run, or the same in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Both(usize, usize),
    Left(usize),
    Right(usize),
}

/// Both sequences in one order.
pub(super) fn lay(left: &[Told], right: &[Told]) -> Vec<Side> {
    let (left, right) = (&left[..left.len().min(MAX_EVENTS)], &right[..right.len().min(MAX_EVENTS)]);
    let common = lengths(left, right);
    let (mut i, mut j, mut laid) = (0, 0, Vec::with_capacity(left.len().max(right.len())));
    while i < left.len() || j < right.len() {
        let same = i < left.len() && j < right.len() && left[i].meaning == right[j].meaning;
        if same {
            laid.push(Side::Both(i, j));
            (i, j) = (i + 1, j + 1);
        } else if j == right.len() || (i < left.len() && common[i + 1][j] >= common[i][j + 1]) {
            laid.push(Side::Left(i));
            i += 1;
        } else {
            laid.push(Side::Right(j));
            j += 1;
        }
    }
    laid
}

/// How long the common subsequence of the rest is, from every pair of places.
fn lengths(left: &[Told], right: &[Told]) -> Vec<Vec<u16>> {
    let mut lengths = vec![vec![0; right.len() + 1]; left.len() + 1];
    for i in (0..left.len()).rev() {
        for j in (0..right.len()).rev() {
            lengths[i][j] = if left[i].meaning == right[j].meaning {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(texts: &str) -> Vec<Told> {
        let one = |it: char| Told { at_ms: 0, text: it.to_string(), meaning: it.to_string(), waits: 0 };
        texts.chars().map(one).collect()
    }

    /// `=a` in both, `<a` on the left alone, `>a` on the right alone.
    fn laid(left: &str, right: &str) -> String {
        let (left, right) = (told(left), told(right));
        let sides = lay(&left, &right).into_iter().map(|it| match it {
            Side::Both(i, _) => format!("={}", left[i].text),
            Side::Left(i) => format!("<{}", left[i].text),
            Side::Right(j) => format!(">{}", right[j].text),
        });
        sides.collect()
    }

    #[test]
    fn what_both_have_stands_side_by_side() {
        for (left, right, expected) in [
            ("", "", ""),
            ("abc", "abc", "=a=b=c"),
            ("abc", "ac", "=a<b=c"),
            ("ac", "abc", "=a>b=c"),
            ("axc", "ayc", "=a<x>y=c"),
            ("ab", "", "<a<b"),
            ("hhh", "hh", "=h=h<h"),
        ] {
            assert_eq!(laid(left, right), expected, "{left} beside {right}");
        }
    }
}
