namespace Portmap.Native;

/// <summary>A symbolic link of another user on the way to a folder: whoever owns one can lead the
/// path elsewhere, whenever he likes.</summary>
/// <param name="Path">The link.</param>
/// <param name="UserId">Whose it is.</param>
internal readonly record struct ForeignLink(string Path, uint UserId)
{
    /// <summary>As many as the kernel follows.</summary>
    private const int MaxLinks = 40;

    /// <summary>
    /// Walks a path as the kernel does, and finds the first link on it that is neither this user's
    /// nor root's.
    /// </summary>
    /// <param name="path">An absolute path.</param>
    /// <returns>Null when there is none, or where this is not Linux.</returns>
    public static ForeignLink? On(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        Stack<string> ahead = new(path.Split('/').Reverse());
        string at = "/";
        for (int links = 0; ahead.TryPop(out string? name);)
        {
            if (name is "" or ".")
            {
                continue;
            }

            string next = name == ".." ? System.IO.Path.GetDirectoryName(at) ?? "/" : System.IO.Path.Combine(at, name);
            if (PosixFile.At(next, follow: false) is not { IsLink: true } file)
            {
                at = next;
                continue;
            }

            if (!file.IsOursOrRoots)
            {
                return new ForeignLink(next, file.UserId);
            }

            if (++links > MaxLinks || new FileInfo(next).LinkTarget is not { } target)
            {
                return null; // the kernel says so
            }

            at = target.StartsWith('/') ? "/" : at;
            foreach (string part in target.Split('/').Reverse())
            {
                ahead.Push(part);
            }
        }

        return null;
    }
}
