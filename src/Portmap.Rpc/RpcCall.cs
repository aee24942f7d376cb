namespace Portmap.Rpc;

/// <summary>One call on its way through an <see cref="IRpcProgram"/>: the arguments to read, the results to write, both in XDR (RFC 4506).</summary>
/// <remarks>Not thread-safe, and valid only until the program's answer is complete.</remarks>
public sealed class RpcCall
{
    internal RpcCall()
    {
    }

    /// <summary>The procedure that is called.</summary>
    public uint Procedure { get; internal set; }

    /// <summary>The calling process as the kernel names it, or 0 where the kernel does not know (TCP, another pid namespace).</summary>
    public int ProcessId { get; internal set; }

    /// <summary>How many bytes of arguments are not read yet.</summary>
    public int RemainingBytes => throw new NotImplementedException();

    /// <summary>Reads an int.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public int ReadInt32() => throw new NotImplementedException();

    /// <summary>Reads an unsigned int.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public uint ReadUInt32() => throw new NotImplementedException();

    /// <summary>Reads a hyper.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public long ReadInt64() => throw new NotImplementedException();

    /// <summary>Reads an unsigned hyper.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public ulong ReadUInt64() => throw new NotImplementedException();

    /// <summary>Reads a bool.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it, or it is neither 0 nor 1.</exception>
    public bool ReadBoolean() => throw new NotImplementedException();

    /// <summary>Reads a string.</summary>
    /// <param name="maxBytes">The longest one that is accepted, in bytes of UTF-8.</param>
    /// <exception cref="InvalidDataException">The arguments end before it, it is longer, or it is not well-formed UTF-8.</exception>
    public string ReadString(int maxBytes) => throw new NotImplementedException();

    /// <summary>Reads variable-length opaque data.</summary>
    /// <param name="maxBytes">The longest that is accepted.</param>
    /// <returns>A view that is valid as long as the call is.</returns>
    /// <exception cref="InvalidDataException">The arguments end before it, or it is longer.</exception>
    public ReadOnlySpan<byte> ReadOpaque(int maxBytes) => throw new NotImplementedException();

    /// <summary>Writes an int.</summary>
    /// <param name="value">The value.</param>
    public void WriteInt32(int value) => throw new NotImplementedException();

    /// <summary>Writes an unsigned int.</summary>
    /// <param name="value">The value.</param>
    public void WriteUInt32(uint value) => throw new NotImplementedException();

    /// <summary>Writes a hyper.</summary>
    /// <param name="value">The value.</param>
    public void WriteInt64(long value) => throw new NotImplementedException();

    /// <summary>Writes an unsigned hyper.</summary>
    /// <param name="value">The value.</param>
    public void WriteUInt64(ulong value) => throw new NotImplementedException();

    /// <summary>Writes a bool.</summary>
    /// <param name="value">The value.</param>
    public void WriteBoolean(bool value) => throw new NotImplementedException();

    /// <summary>Writes a string as UTF-8.</summary>
    /// <param name="value">The text.</param>
    public void WriteString(ReadOnlySpan<char> value) => throw new NotImplementedException();

    /// <summary>Writes variable-length opaque data.</summary>
    /// <param name="value">The bytes.</param>
    public void WriteOpaque(ReadOnlySpan<byte> value) => throw new NotImplementedException();
}
