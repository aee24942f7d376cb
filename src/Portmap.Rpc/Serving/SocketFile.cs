using System.Net.Sockets;

namespace Portmap.Rpc.Serving;

/// <summary>The file of a Unix socket: whose it is, and when it may be replaced.</summary>
/// <remarks>
/// Two daemons that find the same leftover would each delete what the other has just made, and a socket that is bound but not listening yet looks
/// dead to a probe. So a daemon holds a lock on <c>PATH.lock</c> as long as it lives. The lock file stays: deleting it would let two daemons lock
/// two files of one name.
/// </remarks>
internal static class SocketFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <exception cref="IOException">A live daemon holds it, or the folder cannot be written to.</exception>
    public static FileStream Lock(PortmapEndpoint endpoint, string path)
    {
        string lockPath = path + ".lock";
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = OwnerOnly;
        }

        try
        {
            return new FileStream(lockPath, options);
        }
        catch (Exception e) when (e is DirectoryNotFoundException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot listen on {endpoint}: {e.Message} Choose a folder that exists and that this user may write to.", e);
        }
        catch (IOException e)
        {
            throw Taken(endpoint, $"it holds the lock on {lockPath}", e);
        }
    }

    /// <summary>Removes the socket file of a daemon that is gone.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="IOException">Somebody listens on it, or it is no socket.</exception>
    public static bool RemoveLeftover(PortmapEndpoint endpoint, string path)
    {
        if (!File.Exists(path))
        {
            return Directory.Exists(path)
                ? throw new IOException($"Cannot listen on {endpoint}: there is a folder of that name; choose another path.")
                : false;
        }

        using (var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            try
            {
                probe.Connect(endpoint.EndPoint);
                throw Taken(endpoint, "it accepts connections", null);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                // Nobody listens. An ordinary file refuses a connection the same way.
            }
            catch (SocketException e)
            {
                throw new IOException($"Cannot tell whether a daemon listens on {endpoint}: {e.Message}. Remove the file if none does, or choose another path.", e);
            }
        }

        if (!IsSocket(path))
        {
            throw new IOException($"Cannot listen on {endpoint}: the file is not a socket and is not ours to replace; choose another path.");
        }

        File.Delete(path);
        return true;
    }

    public static void MakePrivate(string path)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, OwnerOnly);
        }
    }

    // A socket cannot be opened (ENXIO), whoever asks; everything that can be opened holds somebody's data or leads to it.
    private static bool IsSocket(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static IOException Taken(PortmapEndpoint endpoint, string evidence, Exception? inner) =>
        new($"A daemon lives on {endpoint} already ({evidence}); stop it or choose another path.", inner);
}
