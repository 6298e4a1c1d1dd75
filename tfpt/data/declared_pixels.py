"""How many pixels a file says it has, told in the graph before the decoder, which has no limit, is let at it."""

import tensorflow as tf

# More than any limit: what isn't to be decoded at all.
REFUSED = tf.int64.max
# Steps of the walk through a GIF: a step takes a block, or up to _RUN sub-blocks of one length. Real files need some
# tens, and one for each 100 bytes of XMP; made to be slow, 5 MB would take two million.
_MOST_STEPS = 4096
_RUN = 4096
_EXTENSION, _FRAME = 0x21, 0x2C


def declared_pixels(contents: tf.Tensor) -> tf.Tensor:
    """Width times height of a JPEG, PNG, GIF or BMP, int64, not less than its decoder will allocate.

    ``REFUSED`` for all other bytes (TensorFlow's decoder takes WebP and JPEG XL too), for a PNG that doesn't begin with
    its header, and for a GIF that has no frame, several, or more than some thousand irregular blocks.

    Raises:
        tf.errors.InvalidArgumentError: the header is cut off.
    """
    def jpeg() -> tf.Tensor:
        return tf.reduce_prod(tf.cast(tf.io.extract_jpeg_shape(contents)[:2], tf.int64))

    def png() -> tf.Tensor:
        # libpng steps over chunks that it doesn't know, also before the header.
        begins = tf.equal(tf.strings.substr(contents, 12, 4), b"IHDR")
        return tf.where(begins, _area(contents, 16, tf.int32, little_endian=False), REFUSED)

    formats = {b"\xff\xd8": jpeg, b"\x89PNG": png, b"GIF8": lambda: _gif(contents),
               b"BM": lambda: _area(contents, 18, tf.int32, little_endian=True)}
    return tf.case([(tf.equal(tf.strings.substr(contents, 0, len(mark)), mark), count) for mark, count in
                    formats.items()], default=lambda: tf.constant(REFUSED, tf.int64), exclusive=True)


def _area(contents: tf.Tensor, position: int, kind: tf.DType, little_endian: bool) -> tf.Tensor:
    """The product of the two numbers at a position."""
    sides = tf.io.decode_raw(tf.strings.substr(contents, position, 2 * kind.size), kind, little_endian)
    return tf.reduce_prod(tf.abs(tf.cast(tf.ensure_shape(sides, [2]), tf.int64)))


def _gif(contents: tf.Tensor) -> tf.Tensor:
    """The larger of the screen, which training looks at, and the one frame, which is all that TensorFlow allocates."""
    screen = _area(contents, 6, tf.uint16, little_endian=True)
    content = tf.io.decode_raw(contents, tf.uint8)
    end, zero = tf.size(content, tf.int64), tf.constant(0, tf.int64)

    def goes_on(steps: tf.Tensor, position: tf.Tensor, _: tf.Tensor, frames: tf.Tensor, __: tf.Tensor) -> tf.Tensor:
        return (steps < _MOST_STEPS) & (position < end) & (frames < 2)

    def step(steps: tf.Tensor, position: tf.Tensor, within: tf.Tensor, frames: tf.Tensor,
             pixels: tf.Tensor) -> tuple[tf.Tensor, ...]:
        position, within, added = tf.cond(within, lambda: (*_sub_blocks_end(content, position), zero),
                                          lambda: _block(content, position))
        return steps + 1, position, within, frames + tf.cast(added > 0, tf.int64), pixels + added

    steps, _, _, frames, pixels = tf.while_loop(
        goes_on, step, (zero, 13 + _table_bytes(content[10]), tf.constant(False), zero, zero))
    return tf.where((steps < _MOST_STEPS) & tf.equal(frames, 1), tf.maximum(screen, pixels), REFUSED)


def _table_bytes(flags: tf.Tensor) -> tf.Tensor:
    """Of the colour table that the flags announce."""
    return tf.where(flags >= 0x80, tf.bitwise.left_shift(tf.constant(6, tf.int64), tf.cast(flags % 8, tf.int64)), 0)


def _block(content: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Where the sub-blocks of the block here begin, True for being within it, and the pixels of a frame, else 0.

    All but an extension and a frame ends the file.
    """
    def frame() -> tuple[tf.Tensor, tf.Tensor]:
        sides = tf.reshape(tf.cast(content[position + 5:position + 9], tf.int64), [2, 2])
        pixels = tf.reduce_prod(tf.reduce_sum(sides * tf.constant([1, 256], tf.int64), axis=1))
        return position + 11 + _table_bytes(content[position + 9]), pixels

    zero = tf.constant(0, tf.int64)
    after, pixels = tf.case([(tf.equal(content[position], _EXTENSION), lambda: (position + 2, zero)),
                             (tf.equal(content[position], _FRAME), frame)],
                            default=lambda: (tf.size(content, tf.int64), zero))
    return after, tf.constant(True), pixels


def _sub_blocks_end(content: tf.Tensor, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the sub-blocks of the same length as the one here end, and whether others follow in their block."""
    length = content[position]
    stride = tf.cast(length, tf.int64) + 1
    same = tf.equal(content[position:position + _RUN * stride:stride], length)
    run = tf.reduce_sum(tf.math.cumprod(tf.cast(same, tf.int64)))
    # The one of no bytes ends the block, and the next byte is the next block's.
    within = length > 0
    return position + tf.where(within, run * stride, 1), within
