using Portmap.Rpc;

namespace ManagementDaemon;

/// <summary>Gluster's handshake, as far as a brick or a client needs it to start: GETSPEC hands out
/// the volfile of a key.</summary>
/// <remarks>It shows how a host adds a program of its own to the server. Key K is answered with
/// FOLDER/K.vol, read anew each time.</remarks>
internal sealed class GetSpecProgram(DirectoryInfo folder) : IRpcProgram
{
    private const uint GetSpec = 2;
    private const int MaxKeyBytes = 255;
    private const int MaxXdataBytes = 16_384;

    // A reply has to fit into one record of the server's default size, together with its headers.
    private const int MaxSpecBytes = 65_000;

    // The numbers of errno that go over the wire.
    private const int NoSuchFile = 2;
    private const int AccessDenied = 13;
    private const int InvalidArgument = 22;
    private const int FileTooLarge = 27;

    private readonly VolfileFolder _volfiles = new(folder);

    public uint Number => 14398633;

    public uint Version => 2;

    public string Name => "Gluster Handshake";

    public async ValueTask<bool> InvokeAsync(RpcCall request, CancellationToken cancellationToken)
    {
        if (request.Procedure != GetSpec)
        {
            return false;
        }

        _ = request.ReadUInt32(); // flags
        string key = request.ReadString(MaxKeyBytes);
        _ = request.ReadOpaque(MaxXdataBytes);
        (byte[] spec, int error) = IsPlainName(key) ? await ReadAsync(key, cancellationToken) : ([], InvalidArgument);

        request.WriteInt32(error == 0 ? spec.Length : -1);
        request.WriteInt32(error);
        request.WriteOpaque(spec); // a string on the wire; the bytes of the file, whatever they are
        request.WriteOpaque([]);
        return true;
    }

    /// <summary>Whether a key names a file of the folder and cannot lead out of it.</summary>
    private static bool IsPlainName(string key) =>
        key.Length > 0 && key.AsSpan().IndexOfAny('/', '\\', '\0') < 0 && !key.Contains("..", StringComparison.Ordinal);

    private async Task<(byte[] Spec, int Error)> ReadAsync(string key, CancellationToken cancellationToken)
    {
        try
        {
            return await _volfiles.ReadAsync(key + ".vol", MaxSpecBytes, cancellationToken) is { } spec ? (spec, 0) : ([], FileTooLarge);
        }
        catch (UnauthorizedAccessException)
        {
            return ([], AccessDenied);
        }
        catch (IOException)
        {
            return ([], NoSuchFile);
        }
    }
}
