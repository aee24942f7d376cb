using Microsoft.Win32.SafeHandles;
using Portmap.Native;

namespace Portmap.Persistence;

/// <summary>
/// A folder held open: what is done in it is done to that folder, wherever its path leads by now.
/// </summary>
/// <remarks>
/// On systems other than Linux every call goes by the path, and nothing is synced (not verified
/// there).
/// </remarks>
internal sealed class OpenFolder : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;
    private readonly SafeFileHandle? _handle;

    public OpenFolder(string path)
    {
        _path = path;
        _handle = OperatingSystem.IsLinux() ? Posix.Open(path) : null;
    }

    /// <summary>Whether the path still leads here.</summary>
    public bool IsAtItsPath =>
        _handle is null || Posix.Status(_path, follow: true)?.Identity == Posix.Status(_handle, _path).Identity;

    /// <summary>Opens a file for reading and writing; null when there is none.</summary>
    public SafeFileHandle? Open(string name)
    {
        SafeFileHandle? file;
        if (_handle is not null)
        {
            file = Posix.OpenIn(_handle, name, At(name));
        }
        else
        {
            file = File.Exists(At(name)) ? File.OpenHandle(At(name), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete) : null;
        }

        if (file is not null)
        {
            Protect(file);
        }

        return file;
    }

    /// <summary>Makes an empty file, in the place of one of that name.</summary>
    public SafeFileHandle Create(string name)
    {
        Delete(name);
        return _handle is not null
            ? Posix.CreateIn(_handle, name, isNew: true, At(name))
            : Protect(File.OpenHandle(At(name), FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));
    }

    /// <summary>
    /// Opens a file that only one process may have open at a time; who else has it, the caller
    /// finds out by its lock.
    /// </summary>
    public SafeFileHandle OpenAlone(string name) =>
        _handle is not null
            ? Posix.CreateIn(_handle, name, isNew: false, At(name))
            : Protect(File.OpenHandle(At(name), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));

    public void Rename(string from, string to)
    {
        if (_handle is not null)
        {
            Posix.RenameIn(_handle, from, to, At(from));
        }
        else
        {
            File.Move(At(from), At(to), overwrite: true);
        }
    }

    /// <summary>Gives a file a second name.</summary>
    /// <returns>False when there is one of that name, or no way to do it.</returns>
    public bool TryLink(string name, string second) => _handle is not null && Posix.TryLinkIn(_handle, name, second, At(second));

    public void Delete(string name)
    {
        if (_handle is not null)
        {
            Posix.DeleteIn(_handle, name, At(name));
        }
        else
        {
            File.Delete(At(name));
        }
    }

    public void Sync()
    {
        if (_handle is not null)
        {
            Posix.Sync(_handle, _path);
        }
    }

    public void Dispose() => _handle?.Dispose();

    private static SafeFileHandle Protect(SafeFileHandle file)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, OwnerOnly);
        }

        return file;
    }

    private string At(string name) => Path.Combine(_path, name);
}
