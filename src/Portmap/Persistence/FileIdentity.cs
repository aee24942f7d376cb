namespace Portmap.Persistence;

/// <summary>Which file it is, whatever it is called: no two files have the same while one of them is open.</summary>
/// <param name="Device">The file system.</param>
/// <param name="Inode">Its number there.</param>
internal readonly record struct FileIdentity(ulong Device, ulong Inode);
