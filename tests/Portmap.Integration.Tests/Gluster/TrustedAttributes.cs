using System.ComponentModel;
using System.Runtime.InteropServices;
using Portmap.TestKit.Processes;

namespace Portmap.Integration.Tests.Gluster;

/// <summary>The <c>trusted.*</c> attributes in which a brick keeps its book; only CAP_SYS_ADMIN may
/// set them, and not every file system has them.</summary>
internal static class TrustedAttributes
{
    /// <summary>Whether this process may set one in the temp folder.</summary>
    public static bool AreAllowed { get; } = Probe();

    public static void Set(string path, string name, byte[] value)
    {
        if (SetAttribute(path, name, value, (nuint)value.Length, flags: 0) != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError());
        }
    }

    private static bool Probe()
    {
        using TempFolder folder = new();
        return OperatingSystem.IsLinux() && SetAttribute(folder.FullName, "trusted.portmap-test", [1], 1, flags: 0) == 0;
    }

    [DllImport("libc", EntryPoint = "setxattr", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetAttribute(
        [MarshalAs(UnmanagedType.LPUTF8Str)] string path, [MarshalAs(UnmanagedType.LPUTF8Str)] string name, byte[] value, nuint size, int flags);
}
