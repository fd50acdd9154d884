"""The background of one frame, fitted to its pixels without starlight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import backgrounds, boxes, splines, straps

PASSES = (4, 2, 1)
"""How often few, more and all pixels are looked at, at most; see `backgrounds.THIN`."""


class BackgroundFit(NamedTuple):
    """Numbers of one frame and their standard errors, float32 (layout.size,)."""

    parameters: np.ndarray
    errors: np.ndarray


def fit_frame(image, mask, layout, starlight=None, pixels=None) -> BackgroundFit:
    """Background of one frame from the pixels without starlight.

    Parameters
    ----------
    image : array (height, width)
        Frame on the layout's limits, e-/s.
    mask : bool array of the same shape
        True where starlight, a defect or saturation spoils the pixel.
    layout : BackgroundLayout
    starlight : array of the same shape, optional
        Expected light of the catalogue's stars, e-/s; it is subtracted, so
        that far wings do not count as sky.

    Returns
    -------
    BackgroundFit
        NaN throughout if no pixel is finite.
    """
    data = np.array(image, dtype='f4')
    if starlight is not None:
        data -= starlight
    finite = np.isfinite(data)
    usable = finite & ~np.asarray(mask)
    if not usable.any():
        usable, pixels = finite, None
    if not usable.any():
        nothing = np.full(layout.size, np.nan, dtype='f4')
        return BackgroundFit(nothing, nothing)
    np.putmask(data, ~usable, np.nan)
    if layout.mesh_size <= 4:
        return _fit_plane(data, layout)
    return _fit_mesh(data, layout, pixels or layout.pixels(usable))


def _fit_plane(data, layout, rounds=6):
    """Robust plane through few pixels, held level where they do not tell."""
    row, column = np.nonzero(np.isfinite(data))
    values = data[row, column].astype('f8')
    basis = (layout.rows.basis[row][:, :, None] * layout.columns.basis[column][:, None, :])
    basis = basis.reshape(len(values), -1)
    level = np.median(values)
    solution = np.full(layout.mesh_size, level)
    sigma = max(1.4826 * np.median(np.abs(values - level)), 1e-3)
    pull = _pull(layout, 0.3 + 0.02 * abs(level))
    for _ in range(rounds):
        residual = values - basis @ solution
        sigma = max(1.4826 * np.median(np.abs(residual)), 1e-3)
        # starlight only adds, so the upper limit is the tighter one
        kept = (residual < 2.5 * sigma) & (residual > -4 * sigma)
        normal = basis[kept].T @ basis[kept] + sigma**2 * pull
        solution = solution + np.linalg.solve(normal + 1e-9 * np.eye(len(normal)),
                                              basis[kept].T @ residual[kept] - sigma**2 * (pull @ solution))
    errors = sigma * np.sqrt(np.diag(np.linalg.inv(normal + 1e-9 * np.eye(len(normal)))))
    return _whole(layout, solution, errors)


def _pull(layout, slope):
    """Prior precision of the differences between the coefficients of a plane."""
    grid = np.eye(layout.mesh_size).reshape(layout.rows.count, layout.columns.count, -1)
    along_rows = np.diff(grid, axis=0).reshape(-1, layout.mesh_size)
    along_columns = np.diff(grid, axis=1).reshape(-1, layout.mesh_size)
    twist = np.diff(np.diff(grid, axis=0), axis=1).reshape(-1, layout.mesh_size)
    return ((along_rows.T @ along_rows + along_columns.T @ along_columns) / slope**2
            + twist.T @ twist / (0.05 * slope)**2)


def _whole(layout, mesh, errors, glow=None, strap=None):
    """Vectors of a frame from its parts; of glow and straps both numbers and errors."""
    parameters, deviations = np.zeros((2, layout.size), dtype='f4')
    parameters[layout.mesh_slice], deviations[layout.mesh_slice] = np.ravel(mesh), np.ravel(errors)
    if glow is not None:
        parameters[layout.glow_slice], deviations[layout.glow_slice] = glow
    if strap is not None:
        parameters[layout.strap_slice], deviations[layout.strap_slice] = strap
    return BackgroundFit(parameters, deviations)


def _fit_mesh(data, layout, pixels):
    """Glow first, then the mesh on coarse and on all pixels, then the straps."""
    glow = _fit_glow(data, layout) if layout.glow_size else None
    rest = data.copy()
    if glow is not None:
        backgrounds.add_glow(layout, -glow[0].astype('f4'), layout.limits, rest)
    rest[:, layout.strap_index] = np.nan
    mesh, errors = _settle(rest, layout, pixels)
    fit = _whole(layout, mesh, errors, glow)
    if layout.strap_columns:
        smooth = backgrounds.evaluate(layout, fit.parameters)
        found = straps.responses(data, smooth, layout.strap_index)
        fit = _whole(layout, mesh, errors, glow, found)
    return fit


def _settle(data, layout, levels, tolerance=0.03):
    """Mesh of an image, and its errors.

    Starlight leaves pixels off the middle of their box, so that on a slope the
    mode of a box is not that of its middle. Residuals cure that: passes over
    few pixels until the mesh holds still, over more, then one over all of them.
    """
    mesh, sigma = np.zeros((layout.rows.count, layout.columns.count)), None
    for pixels, passes in zip(levels, PASSES, strict=True):
        gathered = pixels.gather(data)
        # few pixels may be none
        for _ in range(passes if any(np.isfinite(values).any() for values in gathered) else 0):
            before = mesh
            mesh, found, known = _update_mesh(pixels, gathered, mesh, layout, sigma)
            sigma = found.sigma
            if np.sqrt(np.mean((mesh - before) ** 2)) < tolerance:
                break
    errors = found.sigma * np.sqrt(boxes.MODE_VARIANCE / np.maximum(found.count, 1))
    errors = layout.gaps.fill(errors.reshape(mesh.shape), known) * layout.rows.gain * layout.columns.gain
    return mesh, np.abs(errors)


def _update_mesh(pixels, gathered, mesh, layout, sigma):
    """Coefficients that bring the mode of the residuals to zero in every box, statistics, known boxes."""
    rows, columns = layout.rows, layout.columns
    found = pixels.residual(gathered, mesh, sigma)
    size = rows.size * columns.size / pixels.step**2
    known = (found.count >= max(8, 0.02 * size)).reshape(mesh.shape)
    if not known.any():
        known = (found.count > 0).reshape(mesh.shape)
    means = rows.average @ mesh @ columns.average.T + found.mode.reshape(mesh.shape)
    mesh = rows.inverse @ layout.gaps.fill(means, known) @ columns.inverse.T
    return mesh, found, known


def _fit_glow(data, layout, inner=600.0, box=32):
    """Radial profile on top of a quadratic, from the modes of small boxes near the corner."""
    stamp = layout.limits
    rows = splines.SplineAxis(stamp.row_min, stamp.height, box)
    columns = splines.SplineAxis(stamp.col_min, stamp.width, box)
    row = stamp.row_min + (np.arange(rows.count) + 0.5) * rows.size - 0.5 - layout.camera_centre[0]
    column = stamp.col_min + (np.arange(columns.count) + 0.5) * columns.size - 0.5 - layout.camera_centre[1]
    row, column = (grid.ravel() for grid in np.meshgrid(row, column, indexing='ij'))
    radius = np.hypot(row, column)
    near = radius > backgrounds.GLOW_RADIUS - inner
    thin = boxes.thin(boxes.pad(data, rows, columns), rows, columns, 2)
    found = boxes.statistics(boxes.split(thin, rows, columns)[near])
    used = found.count >= 8
    radius, row, column = radius[near][used], row[near][used], column[near][used]
    if np.count_nonzero(radius > backgrounds.GLOW_RADIUS) < 2 * layout.glow_size:
        return np.zeros((2, layout.glow_size))
    profile = _glow_basis(layout, radius)
    scale = 1000.0
    row, column = row / scale, column / scale
    plane = np.stack([np.ones_like(row), row, column, row**2, row * column, column**2], axis=1)
    return _robust(np.hstack([profile, plane]), found.mode[used], layout.glow_size)


def _glow_basis(layout, radius):
    steps = np.maximum((radius - backgrounds.GLOW_RADIUS) / backgrounds.GLOW_STEP, 0)
    node = np.minimum(np.floor(steps), layout.glow_size - 1)
    table = backgrounds.extended_glow(np.eye(layout.glow_size))
    weights = splines.cubic_weights(steps - node)
    return np.einsum('nj,njp->np', weights, table[node.astype(int)[:, None] + np.arange(4)])


def _robust(basis, values, smooth, rounds=5):
    """First ``smooth`` coefficients of a Huber fit, with a trace of smoothness among them, and errors."""
    weights = np.ones(len(values))
    rough = np.zeros((smooth, basis.shape[1]))
    rough[:, :smooth] = np.diff(np.eye(smooth + 2)[:, 2:], n=2, axis=0)
    for _ in range(rounds):
        normal = basis.T @ (weights[:, None] * basis)
        penalty = 1e-3 * (rough.T @ rough) + 1e-6 * np.eye(len(normal))
        solution = np.linalg.solve(normal + penalty, basis.T @ (weights * values))
        residual = np.abs(values - basis @ solution)
        sigma = max(1.4826 * np.median(residual), 1e-6)
        weights = 1 / np.maximum(1, residual / (2 * sigma))
    errors = sigma * np.sqrt(np.diag(np.linalg.inv(normal + penalty)))
    return np.stack([solution[:smooth], errors[:smooth]])
