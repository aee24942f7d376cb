using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace ManagementDaemon;

/// <summary>The folder of volfiles: what is handed out of it are ordinary files that lie in it,
/// whatever their names lead to.</summary>
/// <remarks>A FIFO would never end, a device may do anything when it is opened, and a link may lead
/// to what others must not read. So the file is looked at without being opened (O_PATH), and what
/// was looked at is what is read.</remarks>
internal sealed class VolfileFolder(DirectoryInfo folder)
{
    private const int OpenPath = 0x200000 | 0x80000;   // O_PATH | O_CLOEXEC
    private const int AtEmptyPath = 0x1000;
    private const uint StatxType = 0x1;
    private const int ModeAt = 28;
    private const int KindMask = 0xf000;
    private const int Ordinary = 0x8000;

    /// <returns>The content; null when it is longer than <paramref name="maxBytes"/>.</returns>
    /// <exception cref="UnauthorizedAccessException">It is no ordinary file, or not one of the
    /// folder, or may not be read.</exception>
    /// <exception cref="IOException">There is none.</exception>
    public async Task<byte[]?> ReadAsync(string name, int maxBytes, CancellationToken cancellationToken)
    {
        using SafeFileHandle file = OpenOrdinary(Path.Combine(folder.FullName, name));
        byte[] content = new byte[maxBytes + 1];   // not what its length says, which may change or be a lie (/proc)
        int count = 0;
        while (count < content.Length && await RandomAccess.ReadAsync(file, content.AsMemory(count), count, cancellationToken) is var read and > 0)
        {
            count += read;
        }

        return count > maxBytes ? null : content[..count];
    }

    private SafeFileHandle OpenOrdinary(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return File.OpenHandle(path);
        }

        using SafeFileHandle seen = Look(path), parent = Look(folder.FullName);
        bool isInside = PathOf(seen).StartsWith(PathOf(parent).TrimEnd('/') + "/", StringComparison.Ordinal);
        return isInside && IsOrdinary(seen)
            ? File.OpenHandle(LinkTo(seen))
            : throw new UnauthorizedAccessException($"{path} is no ordinary file of the folder.");
    }

    private static SafeFileHandle Look(string path)
    {
        int descriptor = Open(Encoding.UTF8.GetBytes(path + '\0'), OpenPath);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw new FileNotFoundException($"{path} cannot be opened.", path);
    }

    private static bool IsOrdinary(SafeFileHandle handle)
    {
        byte[] answer = new byte[256];   // struct statx
        return Statx((int)handle.DangerousGetHandle(), [0], AtEmptyPath, StatxType, answer) == 0 && (BitConverter.ToUInt16(answer, ModeAt) & KindMask) == Ordinary;
    }

    private static string PathOf(SafeFileHandle handle) => new FileInfo(LinkTo(handle)).LinkTarget ?? string.Empty;

    private static string LinkTo(SafeFileHandle handle) => string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{handle.DangerousGetHandle()}");

    [DllImport("libc", EntryPoint = "open")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open(byte[] path, int flags);

    [DllImport("libc", EntryPoint = "statx")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int folder, byte[] path, int flags, uint mask, byte[] answer);
}
