namespace Portmap.Rpc.Protocol;

/// <summary>
/// Joins the fragments of records (RFC 5531 §11) out of a byte stream that arrives in any pieces.
/// </summary>
/// <remarks>
/// The usual record, one fragment that lies whole in the input, is handed on without a copy.
/// Everything else is joined in a buffer that grows with the bytes that really came, never with a
/// length that was only announced; empty fragments cost nothing. Not thread-safe.
/// </remarks>
internal sealed class RecordAssembler(int maxRecordBytes)
{
    private const uint LastFragment = 0x8000_0000;
    private const int KeptBytes = 16_384;

    private byte[] _joined = [];
    private int _joinedCount;
    private uint _header;
    private int _headerCount;
    private int _left;
    private bool _isLast;

    /// <summary>
    /// Whether the stream stands between two records, where an end is a clean one.
    /// </summary>
    public bool IsBetweenRecords { get; private set; } = true;

    /// <summary>Reads on until one record is complete.</summary>
    /// <param name="input">What has come in; shortened by what was read.</param>
    /// <param name="record">The record, valid until the next call and as long as the input.</param>
    public RecordStatus Read(ref ArraySegment<byte> input, out ArraySegment<byte> record)
    {
        record = default;
        if (_joinedCount == 0 && _joined.Length > KeptBytes)
        {
            _joined = [];
        }

        while (true)
        {
            if (_headerCount < 4)
            {
                if (!ReadHeader(ref input))
                {
                    return RecordStatus.NeedMore;
                }

                uint length = _header & ~LastFragment;
                if (length > (uint)(maxRecordBytes - _joinedCount))
                {
                    return RecordStatus.TooLong;
                }

                _isLast = (_header & LastFragment) != 0;
                _left = (int)length;
            }

            if (_joinedCount == 0 && _isLast && input.Count >= _left)
            {
                record = input[.._left];
                input = input[_left..];
                _headerCount = 0;
                IsBetweenRecords = true;
                return RecordStatus.Complete;
            }

            Join(ref input);
            if (_left > 0)
            {
                return RecordStatus.NeedMore;
            }

            _headerCount = 0;
            if (_isLast)
            {
                record = new ArraySegment<byte>(_joined, 0, _joinedCount);
                _joinedCount = 0;
                IsBetweenRecords = true;
                return RecordStatus.Complete;
            }
        }
    }

    private bool ReadHeader(ref ArraySegment<byte> input)
    {
        int taken = 0;
        while (_headerCount < 4 && taken < input.Count)
        {
            _header = (_header << 8) | input[taken++];
            _headerCount++;
            IsBetweenRecords = false;
        }

        input = input[taken..];
        return _headerCount == 4;
    }

    private void Join(ref ArraySegment<byte> input)
    {
        int take = Math.Min(_left, input.Count);
        if (_joinedCount + take > _joined.Length)
        {
            Array.Resize(ref _joined, Math.Min(maxRecordBytes, Math.Max(_joinedCount + take, 2 * _joined.Length)));
        }

        input.AsSpan(0, take).CopyTo(_joined.AsSpan(_joinedCount));
        _joinedCount += take;
        _left -= take;
        input = input[take..];
    }
}
