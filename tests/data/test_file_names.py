from dgn_tf.data.file_names import file_names


def test_file_names_are_safe_and_unique():
    names = [
        "a/b.jpg",
        "a__b.png",
        "A/B.JPG",
        "../x.png",
        "7",
        "é ü?.webp",
        "..",
        "v1.5",
        "n.MP4",
    ]
    files = file_names(names)
    assert files == ["a__b", "a__b-2", "A__B-3", "__x", "7", "é_ü_", "picture", "v1.5", "n"]
    assert file_names(["w" * 300]) == ["w" * 200]
    assert len(file_names(["é" * 300])[0].encode()) <= 200
    assert file_names(["w" * 300, "v" * 9], longest=5) == ["w" * 5, "v" * 5]
