from core.jobs.job_names import TUNING_NAME_LENGTH, slug
from core.jobs.specs import check_job_name


def test_a_slug_keeps_what_a_job_may_be_called():
    assert slug("Birds-2") == "Birds-2"
    assert slug("  My birds, 2nd try! ") == "My-birds-2nd-try"
    assert slug("Brûlée") == "Brulee"
    assert slug("花 ?!") == ""


def test_a_slug_is_never_too_long_nor_taken():
    title = "a very long name of a job that nobody would type"
    first = slug(title)
    second = slug(title, {first})
    assert second == slug(title, [first]) != first
    assert second.endswith("-2")
    for name in (first, second, slug("x", {"x", "x-2"})):
        check_job_name(name, TUNING_NAME_LENGTH)
