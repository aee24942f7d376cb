using Portmap.Rpc.Diagnostics;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc;

/// <summary>
/// One call on its way through an <see cref="IRpcProgram"/>: the arguments to read, the results to
/// write, both in XDR (RFC 4506).
/// </summary>
/// <remarks>Not thread-safe, and valid only until the program's answer is complete.</remarks>
public sealed class RpcCall
{
    private readonly XdrWriter _results;
    private readonly Func<int?> _processId;
    private readonly Func<bool> _mayChange;
    private XdrReader _arguments;

    /// <param name="results">Where the answer is written to.</param>
    /// <param name="processId">Who calls, or null; it may ask the kernel.</param>
    /// <param name="mayChange">Whether the caller may change anything; it may ask the
    /// kernel.</param>
    internal RpcCall(XdrWriter results, Func<int?> processId, Func<bool> mayChange)
    {
        _results = results;
        _mayChange = mayChange;
        _processId = processId;
    }

    /// <summary>The procedure that is called.</summary>
    public uint Procedure { get; private set; }

    /// <summary>The number by which the caller matches the answer.</summary>
    internal uint Xid { get; private set; }

    /// <summary>Where the answer begins among those that are not written yet.</summary>
    internal int ReplyStart { get; private set; }

    internal XdrWriter Results => _results;

    internal ref XdrReader Arguments => ref _arguments;

    /// <summary>Set by a program that answers later by itself: no answer is written now.</summary>
    internal bool IsDeferred { get; set; }

    /// <summary>What became of it, for who counts.</summary>
    internal CallOutcome Outcome { get; set; }

    /// <summary>
    /// The calling process as the kernel names it for a Unix socket, or null where it does not
    /// (TCP, another pid namespace), or where its number is another process' by now: each read
    /// looks.
    /// </summary>
    public int? ProcessId => _processId();

    /// <summary>
    /// Whether the server's options let this caller change anything; a program that changes
    /// something asks first.
    /// </summary>
    public bool MayChange => _mayChange();

    /// <summary>How many bytes of arguments are not read yet.</summary>
    public int RemainingBytes => _arguments.Remaining;

    /// <summary>Reads an int.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public int ReadInt32() => _arguments.ReadInt32();

    /// <summary>Reads an unsigned int.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public uint ReadUInt32() => _arguments.ReadUInt32();

    /// <summary>Reads a hyper.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public long ReadInt64() => _arguments.ReadInt64();

    /// <summary>Reads an unsigned hyper.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it.</exception>
    public ulong ReadUInt64() => _arguments.ReadUInt64();

    /// <summary>Reads a bool.</summary>
    /// <exception cref="InvalidDataException">The arguments end before it, or it is neither 0 nor
    /// 1.</exception>
    public bool ReadBoolean() => _arguments.ReadBoolean();

    /// <summary>Reads a string.</summary>
    /// <param name="maxBytes">The longest one that is accepted, in bytes of UTF-8.</param>
    /// <exception cref="InvalidDataException">The arguments end before it, it is longer, or it is
    /// not well-formed UTF-8.</exception>
    public string ReadString(int maxBytes) => _arguments.ReadString(maxBytes);

    /// <summary>Reads variable-length opaque data.</summary>
    /// <param name="maxBytes">The longest that is accepted.</param>
    /// <returns>A view that is valid as long as the call is.</returns>
    /// <exception cref="InvalidDataException">The arguments end before it, or it is
    /// longer.</exception>
    public ReadOnlySpan<byte> ReadOpaque(int maxBytes) => _arguments.ReadOpaque(maxBytes);

    /// <summary>Writes an int.</summary>
    /// <param name="value">The value.</param>
    public void WriteInt32(int value) => _results.WriteInt32(value);

    /// <summary>Writes an unsigned int.</summary>
    /// <param name="value">The value.</param>
    public void WriteUInt32(uint value) => _results.WriteUInt32(value);

    /// <summary>Writes a hyper.</summary>
    /// <param name="value">The value.</param>
    public void WriteInt64(long value) => _results.WriteInt64(value);

    /// <summary>Writes an unsigned hyper.</summary>
    /// <param name="value">The value.</param>
    public void WriteUInt64(ulong value) => _results.WriteUInt64(value);

    /// <summary>Writes a bool.</summary>
    /// <param name="value">The value.</param>
    public void WriteBoolean(bool value) => _results.WriteBoolean(value);

    /// <summary>Writes a string as UTF-8.</summary>
    /// <param name="value">The text.</param>
    public void WriteString(ReadOnlySpan<char> value) => _results.WriteString(value);

    /// <summary>Writes variable-length opaque data.</summary>
    /// <param name="value">The bytes.</param>
    public void WriteOpaque(ReadOnlySpan<byte> value) => _results.WriteOpaque(value);

    internal void Begin(uint xid, uint procedure, XdrReader arguments, int replyStart)
    {
        ReplyStart = replyStart;
        Xid = xid;
        Procedure = procedure;
        IsDeferred = false;
        Outcome = CallOutcome.Answered;
        _arguments = arguments;
    }
}
