namespace Portmap.Etcd.Connecting;

/// <summary>Reads the fields of a message of Protocol Buffers where they stand, without an object
/// for each.</summary>
/// <remarks>Generated messages take 350 bytes for a key of a listing that is gone a moment later,
/// more than what the mirror keeps of it.</remarks>
internal ref struct WireReader(ReadOnlySpan<byte> message)
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;   // the wire types there are
    private const int MaxVarintBytes = 10;

    private ReadOnlySpan<byte> _left = message;

    /// <summary>The number of the field that was read.</summary>
    public int Field { get; private set; }

    /// <summary>Its value, when that is a number.</summary>
    public long Number { get; private set; }

    /// <summary>Its value, when that is bytes, a text or a message.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>Reads the next field.</summary>
    /// <exception cref="InvalidDataException">That is no message.</exception>
    public bool Read()
    {
        if (_left.IsEmpty)
        {
            return false;
        }

        ulong tag = ReadVarint();
        Field = (int)(tag >> 3);
        Number = 0;
        Bytes = default;
        switch ((int)(tag & 7))
        {
            case Varint:
                Number = (long)ReadVarint();
                break;
            case Delimited:
                Bytes = Take(ReadVarint());
                break;
            case Fixed64:
                Take(sizeof(ulong));
                break;
            case Fixed32:
                Take(sizeof(uint));
                break;
            default:
                throw new InvalidDataException($"{tag & 7} is no wire type.");
        }

        return true;
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int i = 0; i < MaxVarintBytes && i < _left.Length; i++)
        {
            value |= (ulong)(_left[i] & 0x7F) << (7 * i);
            if (_left[i] < 0x80)
            {
                _left = _left[(i + 1)..];
                return value;
            }
        }

        throw new InvalidDataException("A number does not end.");
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)_left.Length)
        {
            throw new InvalidDataException($"{length} bytes are more than the {_left.Length} that are left.");
        }

        ReadOnlySpan<byte> taken = _left[..(int)length];
        _left = _left[(int)length..];
        return taken;
    }
}
