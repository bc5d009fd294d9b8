import io
import json

import pytest

from initlab.diagnostic.gr_measurement import GrScalingMeasurement, LayerScaling


def layer(name, weight, bias):
    return LayerScaling(
        layer=name,
        fan_in=27,
        positions=64,
        input_moment=1.0,
        output_moment=0.5,
        gradient_moment=1e-3,
        weight=weight,
        bias=bias,
        weight_to_gradient=2.0,
        actual=None,
    )


LAYERS = (layer("stem", 4.0, None), layer("body.0", None, 0.5), layer("head", 1e-30, 2.0))
MEASUREMENTS = [
    GrScalingMeasurement(LAYERS),
    GrScalingMeasurement(LAYERS, ("x is frozen",), ((1.0, 2.0, 3.0), (2.0, 0.0, 4.0), (3.0, 4.0, 5.0))),
]


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_every_layer_has_every_metric_and_what_is_not_there_is_null(measurement):
    metrics = measurement.metrics()
    quantities = ("weight", "bias", "weight_to_gradient", "actual")
    of_layers = {f"gr_scaling/{q}/{entry.layer}" for q in quantities for entry in LAYERS}
    pairs = [(row.layer, column.layer) for row in LAYERS for column in LAYERS] if measurement.heat_map else []
    blocks = {f"gr_scaling/block/{row}/{column}" for row, column in pairs}
    assert set(metrics) == {"gr_scaling/spread"} | of_layers | blocks
    assert metrics["gr_scaling/weight/stem"] == 4.0
    assert metrics["gr_scaling/bias/stem"] is None
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_the_spread_is_the_largest_scaling_over_the_smallest_and_blocks_stand_under_row_and_column():
    plain, mapped = (measurement.metrics() for measurement in MEASUREMENTS)
    assert plain["gr_scaling/spread"] == 4.0 / 1e-30
    assert mapped["gr_scaling/block/stem/head"] == 3.0
    assert mapped["gr_scaling/block/body.0/body.0"] == 0.0


@pytest.mark.parametrize("measurement", MEASUREMENTS)
def test_rows_are_alike_and_in_the_order_of_the_layers(measurement):
    rows = measurement.rows()
    assert [row["layer"] for row in rows] == ["stem", "body.0", "head"]
    assert all(list(row) == list(rows[0]) for row in rows)
    assert [row["weight"] for row in rows] == [4.0, None, 1e-30]


def test_the_row_of_a_layer_holds_its_row_of_the_heat_map():
    plain, mapped = (measurement.rows() for measurement in MEASUREMENTS)
    assert not any(key.startswith("block/") for key in plain[0])
    blocks = [[row[f"block/{entry.layer}"] for entry in LAYERS] for row in mapped]
    assert blocks == [list(row) for row in MEASUREMENTS[1].heat_map]


@pytest.mark.parametrize(("measurement", "panels"), list(zip(MEASUREMENTS, (1, 2), strict=True)))
def test_a_figure_draws_what_is_there(measurement, panels):
    figure = measurement.figure()
    titled = [axes for axes in figure.axes if axes.get_title()]
    assert len(titled) == panels
    labels = [text.get_text() for text in titled[0].get_legend().get_texts()]
    assert labels == ["GR scaling, weight", "weight-to-gradient ratio", "GR scaling, bias"]
    figure.savefig(io.BytesIO(), format="png")
