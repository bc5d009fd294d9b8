from initlab.diagnostic import figures


def test_few_layers_are_named_and_many_are_counted():
    _, (few, many) = figures.panels(2)
    figures.name_axis(few, ["stem", "head"])
    figures.name_axis(many, [str(index) for index in range(figures.MAX_NAMES + 1)])
    assert [label.get_text() for label in few.get_xticklabels()] == ["stem", "head"]
    assert many.get_xlabel() == "layer, in the order of use"


def test_an_axis_is_logarithmic_where_a_value_is_positive():
    _, (some, none) = figures.panels(2)
    figures.log_axis(some, [None, 0.0, 0.5, 2.0])
    figures.log_axis(none, [None, 0.0])
    assert (some.get_yscale(), none.get_yscale()) == ("log", "linear")
    assert some.get_ylim() == (0.1, 10.0)


def test_a_missing_value_leaves_a_gap_and_an_empty_legend_is_none():
    _, (ax,) = figures.panels(1)
    figures.legend(ax)
    assert ax.get_legend() is None
    figures.line(ax, [1.0, None, 3.0], "ratio", figures.BLUE)
    figures.legend(ax)
    assert [bool(height != height) for height in ax.lines[0].get_ydata()] == [False, True, False]
    assert ax.get_legend() is not None
