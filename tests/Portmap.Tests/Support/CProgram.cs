using System.Diagnostics;
using Portmap.TestKit.Processes;

namespace Portmap.Tests.Support;

/// <summary>A program in C, for what only one near to the kernel does.</summary>
internal static class CProgram
{
    /// <summary>Compiles it; returns its path.</summary>
    public static async Task<string> BuildAsync(TempFolder folder, string name, string source)
    {
        await File.WriteAllTextAsync(folder[$"{name}.c"], source).Within();
        using Process gcc = Process.Start("gcc", ["-O1", "-pthread", "-o", folder[name], folder[$"{name}.c"]]);
        await gcc.WaitForExitAsync().Within();
        gcc.ExitCode.Should().Be(0);
        return folder[name];
    }
}
