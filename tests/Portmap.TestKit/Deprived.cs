using System.Runtime.InteropServices;

namespace Portmap.TestKit;

/// <summary>Runs code without a right that root has and no other user: to bind the ports that need
/// a privilege, or to read what the modes of files forbid.</summary>
public static class Deprived
{
    private const uint Version3 = 0x2008_0522;   // _LINUX_CAPABILITY_VERSION_3, capget(2)
    private const uint NetBindService = 1u << 10, ReadAnything = 1u << 1 | 1u << 2;

    /// <summary>Runs it on a thread of its own: capabilities are a thread's.</summary>
    /// <typeparam name="T">What it answers.</typeparam>
    /// <param name="code">What to run; it must not await.</param>
    public static T Run<T>(Func<T> code) => Run(code, NetBindService);

    /// <summary>The same, where the modes of files count.</summary>
    /// <typeparam name="T">What it answers.</typeparam>
    /// <param name="code">What to run; it must not await.</param>
    public static T RunByModes<T>(Func<T> code) => Run(code, ReadAnything);

    private static T Run<T>(Func<T> code, uint without)
    {
        ArgumentNullException.ThrowIfNull(code);
        T? result = default;
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                Drop(without);
                result = code();
            }
            catch (Exception exception)
            {
                failure = exception;
            }
        });
        thread.Start();
        thread.Join();
        return failure is null ? result! : throw new InvalidOperationException("It failed without the right to bind.", failure);
    }

    private static void Drop(uint rights)
    {
        uint[] header = [Version3, 0], data = new uint[6];   // effective, permitted, inheritable; twice
        if (GetCapabilities(header, data) == 0)
        {
            data[0] &= ~rights;
            if (SetCapabilities(header, data) != 0)
            {
                throw new InvalidOperationException($"capset failed with {Marshal.GetLastPInvokeError()}.");
            }
        }
    }

    [DllImport("libc", EntryPoint = "capget", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int GetCapabilities(uint[] header, uint[] data);

    [DllImport("libc", EntryPoint = "capset", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetCapabilities(uint[] header, uint[] data);
}
